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
INSERT INTO conversations VALUES ('00000000000000000000000000000000', 'Hi', NULL, NULL);
INSERT INTO conversations VALUES ('00000000000000000000000000000001', 'Hi', NULL, NULL);
INSERT INTO conversations VALUES ('00000000000000000000000000000002', 'Hi', '4adccbfe21e30c2df43a4791031d2dfb', NULL);
INSERT INTO log_version VALUES (1, '2026-01-01 00:00:00');
INSERT INTO log_version VALUES (2, '2026-01-01 00:00:00');
INSERT INTO messages VALUES ('179366371474cc69b281db97ee94ff74', 'b007739e4bd81c64fbe9b060e52fa308', 'assistant', 'It is', '{"role":"assistant","content":[{"type":"text","text":"It is"}],"provider_id":"scripted","model_id":"scripted/model","provider_model_name":"scripted"}');
INSERT INTO messages VALUES ('4adccbfe21e30c2df43a4791031d2dfb', 'b007739e4bd81c64fbe9b060e52fa308', 'assistant', 'Cut', '{"role":"assistant","content":[{"type":"text","text":"Cut"}],"provider_id":"scripted","model_id":"scripted/model","provider_model_name":"scripted","raw_message":{"role":"assistant","content":"Cut"}}');
INSERT INTO messages VALUES ('b007739e4bd81c64fbe9b060e52fa308', NULL, 'user', 'Hi', '{"role":"user","content":[{"type":"text","text":"Hi"}]}');
INSERT INTO responses VALUES (1, '00000000000000000000000000000000', '00000000000000000000000000000000', '2026-01-01T00:00:01.000+00:00', 0.5, 'scripted/model', 'scripted', NULL, NULL, 'b007739e4bd81c64fbe9b060e52fa308', NULL, '{}', '{}', NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'RateLimitError', 'scripted/model: Slow down. (HTTP 429)', NULL, NULL, NULL);
INSERT INTO responses VALUES (2, '00000000000000000000000000000001', '00000000000000000000000000000001', '2026-01-01T00:00:02.000+00:00', 0.5, 'scripted/model', 'scripted', 'scripted', 'chatcmpl-scripted', 'b007739e4bd81c64fbe9b060e52fa308', '179366371474cc69b281db97ee94ff74', '{}', '{}', NULL, NULL, 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'ConnectionError', 'scripted/model: Gone.', NULL, NULL, NULL);
INSERT INTO responses VALUES (3, '00000000000000000000000000000002', '00000000000000000000000000000002', '2026-01-01T00:00:03.000+00:00', 0.5, 'scripted/model', 'scripted', 'scripted', 'chatcmpl-scripted', 'b007739e4bd81c64fbe9b060e52fa308', '4adccbfe21e30c2df43a4791031d2dfb', '{}', '{}', NULL, NULL, 0, 0, 1, 0, 0, 0, '{}', '{"prompt_tokens":0,"completion_tokens":1,"total_tokens":1}', 'max_tokens', 'length', NULL, NULL, NULL, NULL, NULL);
