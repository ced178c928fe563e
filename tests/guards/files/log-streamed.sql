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
INSERT INTO conversations VALUES ('00000000000000000000000000000000', 'Count', '2697f317d7ab1e2e8852580404fe6e72', NULL);
INSERT INTO conversations VALUES ('00000000000000000000000000000001', 'Count', NULL, NULL);
INSERT INTO log_version VALUES (1, '2026-01-01 00:00:00');
INSERT INTO log_version VALUES (2, '2026-01-01 00:00:00');
INSERT INTO messages VALUES ('2697f317d7ab1e2e8852580404fe6e72', '617d78711284cf79c37ce5c31a4f170e', 'assistant', 'One two three', '{"role":"assistant","content":[{"type":"text","text":"One two three"}],"provider_id":"scripted","model_id":"scripted/model","provider_model_name":"scripted","raw_message":{"role":"assistant","content":"One two three"}}');
INSERT INTO messages VALUES ('2ff13b6be8b4abb755ca15f07e725c97', '617d78711284cf79c37ce5c31a4f170e', 'assistant', 'One', '{"role":"assistant","content":[{"type":"text","text":"One"}],"provider_id":"scripted","model_id":"scripted/model","provider_model_name":"scripted"}');
INSERT INTO messages VALUES ('617d78711284cf79c37ce5c31a4f170e', NULL, 'user', 'Count', '{"role":"user","content":[{"type":"text","text":"Count"}]}');
INSERT INTO responses VALUES (1, '00000000000000000000000000000000', '00000000000000000000000000000000', '2026-01-01T00:00:01.000+00:00', 0.5, 'scripted/model', 'scripted', 'scripted', 'chatcmpl-scripted', '617d78711284cf79c37ce5c31a4f170e', '2697f317d7ab1e2e8852580404fe6e72', '{}', '{}', NULL, NULL, 1, 7, 5, 2, 0, 1, '{}', '{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12,"prompt_tokens_details":{"cached_tokens":2,"cache_write_tokens":0},"completion_tokens_details":{"reasoning_tokens":1}}', NULL, 'stop', NULL, NULL, NULL, NULL, NULL);
INSERT INTO responses VALUES (2, '00000000000000000000000000000001', '00000000000000000000000000000001', '2026-01-01T00:00:02.000+00:00', 0.5, 'scripted/model', 'scripted', 'scripted', 'chatcmpl-scripted', '617d78711284cf79c37ce5c31a4f170e', '2ff13b6be8b4abb755ca15f07e725c97', '{}', '{}', NULL, NULL, 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'StreamClosedError', 'The stream was closed before its end. What had arrived is in the response''s properties.', NULL, NULL, NULL);
