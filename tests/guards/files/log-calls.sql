CREATE TABLE log_version (version INTEGER PRIMARY KEY, applied TEXT NOT NULL);
CREATE TABLE conversations (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    tip TEXT REFERENCES messages (hash)
, tenant TEXT);
CREATE TABLE messages (
    hash TEXT PRIMARY KEY,
    parent TEXT REFERENCES messages (hash),
    role TEXT NOT NULL,
    text TEXT NOT NULL,
    message TEXT NOT NULL
);
CREATE TABLE attachments (
    hash TEXT PRIMARY KEY,
    mime_type TEXT NOT NULL,
    content BLOB NOT NULL
);
CREATE TABLE formats (
    hash TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    schema TEXT NOT NULL
);
CREATE TABLE tools (
    hash TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    parameters TEXT NOT NULL
);
CREATE TABLE responses (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    conversation TEXT NOT NULL REFERENCES conversations (id),
    started TEXT NOT NULL,
    duration REAL NOT NULL,
    model TEXT NOT NULL,
    provider TEXT,
    provider_model TEXT,
    provider_response TEXT,
    prompt_tip TEXT REFERENCES messages (hash),
    tip TEXT REFERENCES messages (hash),
    params TEXT NOT NULL,
    labels TEXT NOT NULL,
    format TEXT REFERENCES formats (hash),
    format_mode TEXT,
    streamed INTEGER NOT NULL,
    input_tokens INTEGER,
    output_tokens INTEGER,
    cache_read_tokens INTEGER,
    cache_write_tokens INTEGER,
    reasoning_tokens INTEGER,
    provider_tools TEXT,
    raw_usage TEXT,
    finish_reason TEXT,
    raw_finish_reason TEXT,
    error_type TEXT,
    error TEXT,
    in_tool_call TEXT,
    raw TEXT
, tenant TEXT);
CREATE INDEX responses_conversation ON responses (conversation);
CREATE INDEX responses_tip ON responses (tip);
CREATE INDEX conversations_tip ON conversations (tip);
CREATE TABLE response_tools (
    response TEXT NOT NULL REFERENCES responses (id),
    tool TEXT NOT NULL REFERENCES tools (hash),
    position INTEGER NOT NULL,
    PRIMARY KEY (response, position)
);
CREATE INDEX responses_tenant ON responses (tenant);
CREATE VIEW responses_view AS
    SELECT responses.number, responses.id, conversation, started, duration, model, provider, provider_model,
        prompts.text AS prompt, coalesce(answers.text, '') AS response,
        input_tokens, output_tokens, finish_reason, error_type, error, tenant
    FROM responses
    LEFT JOIN messages AS prompts ON prompts.hash = prompt_tip
    LEFT JOIN messages AS answers ON answers.hash = responses.tip;
INSERT INTO conversations VALUES ('00000000000000000000000000000000', 'Hi', '72993cbf84a6ec2719f4249c0fb6b5d6', NULL);
INSERT INTO conversations VALUES ('00000000000000000000000000000002', 'A book', 'd5f7facd7baf453f53d6b729b89c15a5', NULL);
INSERT INTO conversations VALUES ('00000000000000000000000000000003', 'Hm?', '2fa06d58089db2d2a63ea5485aeb631e', NULL);
INSERT INTO formats VALUES ('f5ed4fa494aba6f211b050499d35b36c', 'Book', '{"$defs":{"Colour":{"enum":["red","blue"],"title":"Colour","type":"string"}},"description":"A book to read.","properties":{"title":{"description":"Its full title.","minLength":1,"type":"string"},"ratings":{"additionalProperties":{"type":"integer"},"type":"object"},"colour":{"$ref":"#/$defs/Colour","default":"red"},"size":{"anyOf":[{"maxItems":2,"minItems":2,"prefixItems":[{"type":"integer"},{"type":"number"}],"type":"array"},{"type":"null"}],"default":null},"pages":{"default":300,"minimum":1,"type":"integer"}},"required":["title","ratings"],"title":"Book","type":"object"}');
INSERT INTO log_version VALUES (1, '2026-01-01 00:00:00');
INSERT INTO log_version VALUES (2, '2026-01-01 00:00:00');
INSERT INTO messages VALUES ('0907e38864a6be0a477dde5ad8970442', NULL, 'user', 'A book', '{"role":"user","content":[{"type":"text","text":"A book"}]}');
INSERT INTO messages VALUES ('1840666676970473ab6c75e6ee065d33', NULL, 'system', 'Be brief.', '{"role":"system","content":{"type":"text","text":"Be brief."}}');
INSERT INTO messages VALUES ('1eaa708bb040ddba739cdf651a58239a', 'dccae975806617c2adcb7d2e23e66df0', 'assistant', 'Hello.', '{"role":"assistant","content":[{"type":"text","text":"Hello."}],"provider_id":"scripted","model_id":"a/b","provider_model_name":"scripted","raw_message":{"role":"assistant","content":"Hello."}}');
INSERT INTO messages VALUES ('206d9468e1f6766e7cfd63263b431d9e', '1eaa708bb040ddba739cdf651a58239a', 'user', 'Goodbye', '{"role":"user","content":[{"type":"text","text":"Goodbye"}]}');
INSERT INTO messages VALUES ('2fa06d58089db2d2a63ea5485aeb631e', '61be5986174476cb3e9bef80dd8ad30a', 'assistant', 'Yes.', '{"role":"assistant","content":[{"type":"text","text":"Yes."}],"provider_id":"scripted","model_id":"a/b","provider_model_name":"scripted","raw_message":{"role":"assistant","content":"Yes."}}');
INSERT INTO messages VALUES ('61be5986174476cb3e9bef80dd8ad30a', NULL, 'user', 'Hm?', '{"role":"user","content":[{"type":"text","text":"Hm?"}]}');
INSERT INTO messages VALUES ('72993cbf84a6ec2719f4249c0fb6b5d6', '206d9468e1f6766e7cfd63263b431d9e', 'assistant', 'Bye.', '{"role":"assistant","content":[{"type":"text","text":"Bye."}],"provider_id":"scripted","model_id":"a/b","provider_model_name":"scripted","raw_message":{"role":"assistant","content":"Bye."}}');
INSERT INTO messages VALUES ('d5f7facd7baf453f53d6b729b89c15a5', '0907e38864a6be0a477dde5ad8970442', 'assistant', '{"title": "Dune", "ratings": [], "pages": 4}', '{"role":"assistant","content":[{"type":"text","text":"{\"title\": \"Dune\", \"ratings\": [], \"pages\": 4}"}],"provider_id":"scripted","model_id":"a/b","provider_model_name":"scripted","raw_message":{"role":"assistant","content":"{\"title\": \"Dune\", \"ratings\": [], \"pages\": 4}"}}');
INSERT INTO messages VALUES ('dccae975806617c2adcb7d2e23e66df0', '1840666676970473ab6c75e6ee065d33', 'user', 'Hi', '{"role":"user","content":[{"type":"text","text":"Hi"}]}');
INSERT INTO responses VALUES (1, '00000000000000000000000000000000', '00000000000000000000000000000000', '2026-01-01T00:00:01.000+00:00', 0.5, 'a/b', 'scripted', 'scripted', 'chatcmpl-scripted', 'dccae975806617c2adcb7d2e23e66df0', '1eaa708bb040ddba739cdf651a58239a', '{}', '{}', NULL, NULL, 0, 7, 5, 2, 0, 1, '{}', '{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12,"prompt_tokens_details":{"cached_tokens":2,"cache_write_tokens":0},"completion_tokens_details":{"reasoning_tokens":1}}', NULL, 'stop', NULL, NULL, NULL, '{"id":"chatcmpl-scripted","object":"chat.completion","created":0,"model":"scripted","choices":[{"index":0,"message":{"role":"assistant","content":"Hello."},"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12,"prompt_tokens_details":{"cached_tokens":2,"cache_write_tokens":0},"completion_tokens_details":{"reasoning_tokens":1}}}', NULL);
INSERT INTO responses VALUES (2, '00000000000000000000000000000001', '00000000000000000000000000000000', '2026-01-01T00:00:02.000+00:00', 0.5, 'a/b', 'scripted', 'scripted', 'chatcmpl-scripted', '206d9468e1f6766e7cfd63263b431d9e', '72993cbf84a6ec2719f4249c0fb6b5d6', '{}', '{}', NULL, NULL, 0, 0, 1, 0, 0, 0, '{}', '{"prompt_tokens":0,"completion_tokens":1,"total_tokens":1}', NULL, 'stop', NULL, NULL, NULL, '{"id":"chatcmpl-scripted","object":"chat.completion","created":0,"model":"scripted","choices":[{"index":0,"message":{"role":"assistant","content":"Bye."},"finish_reason":"stop"}],"usage":{"prompt_tokens":0,"completion_tokens":1,"total_tokens":1}}', NULL);
INSERT INTO responses VALUES (3, '00000000000000000000000000000002', '00000000000000000000000000000002', '2026-01-01T00:00:03.000+00:00', 0.5, 'a/b', 'scripted', 'scripted', 'chatcmpl-scripted', '0907e38864a6be0a477dde5ad8970442', 'd5f7facd7baf453f53d6b729b89c15a5', '{}', '{}', 'f5ed4fa494aba6f211b050499d35b36c', 'strict', 0, 0, 6, 0, 0, 0, '{}', '{"prompt_tokens":0,"completion_tokens":6,"total_tokens":6}', NULL, 'stop', NULL, NULL, NULL, '{"id":"chatcmpl-scripted","object":"chat.completion","created":0,"model":"scripted","choices":[{"index":0,"message":{"role":"assistant","content":"{\"title\": \"Dune\", \"ratings\": [], \"pages\": 4}"},"finish_reason":"stop"}],"usage":{"prompt_tokens":0,"completion_tokens":6,"total_tokens":6}}', NULL);
INSERT INTO responses VALUES (4, '00000000000000000000000000000003', '00000000000000000000000000000003', '2026-01-01T00:00:04.000+00:00', 0.5, 'a/b', 'scripted', 'scripted', 'chatcmpl-scripted', '61be5986174476cb3e9bef80dd8ad30a', '2fa06d58089db2d2a63ea5485aeb631e', '{"temperature":0.5}', '{}', NULL, NULL, 0, 0, 1, 0, 0, 0, '{}', '{"prompt_tokens":0,"completion_tokens":1,"total_tokens":1}', NULL, 'stop', NULL, NULL, NULL, '{"id":"chatcmpl-scripted","object":"chat.completion","created":0,"model":"scripted","choices":[{"index":0,"message":{"role":"assistant","content":"Yes."},"finish_reason":"stop"}],"usage":{"prompt_tokens":0,"completion_tokens":1,"total_tokens":1}}', NULL);
