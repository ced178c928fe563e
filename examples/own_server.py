"""An OpenAI-compatible server of one's own (vLLM, llama.cpp, Ollama, a gateway), under a scope of one's own.

python examples/own_server.py http://localhost:8000/v1 meta-llama/Llama-3.2-1B-Instruct
"""

from __future__ import annotations

import sys

from mirascope_like import llm


@llm.prompt
def greet(name: str):
    return f"Greet {name} in one sentence."


def main(base_url: str, model_name: str) -> None:
    llm.register_provider("openai:completions", scope="mine/", base_url=base_url, api_key="any")
    model = llm.Model(f"mine/{model_name}", timeout=60, extra_body={"repetition_penalty": 1.1})
    try:
        print(greet(model, "Ada").text())
    except llm.ConnectionError as error:
        print(f"Is the server running? {error}")
    except llm.APIError as error:
        print(f"The server says: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:3])
