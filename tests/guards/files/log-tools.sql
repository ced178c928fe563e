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
INSERT INTO conversations VALUES ('00000000000000000000000000000000', 'Weather?', '77a9d97da65d65ebdadf1aa634083555', NULL);
INSERT INTO conversations VALUES ('00000000000000000000000000000001', 'Weather in Oslo?', '4df0c6af787789d608976458f9267fe5', NULL);
INSERT INTO conversations VALUES ('00000000000000000000000000000003', 'Search.', 'ee02a7f84ab845829bf72ca421f73188', NULL);
INSERT INTO log_version VALUES (1, '2026-01-01 00:00:00');
INSERT INTO log_version VALUES (2, '2026-01-01 00:00:00');
INSERT INTO messages VALUES ('074dc85c4b35a256c2e1bbcb0872652e', 'd06ef12c0440e03cd0d648265e6e5701', 'assistant', '', '{"role":"assistant","content":[{"type":"tool_call","id":"call_1","name":"ask_other","args":"{\"city\": \"Oslo\"}"}],"provider_id":"scripted","model_id":"scripted/model","provider_model_name":"scripted","raw_message":{"role":"assistant","content":null,"tool_calls":[{"type":"function","id":"call_1","function":{"name":"ask_other","arguments":"{\"city\": \"Oslo\"}"}}]}}');
INSERT INTO messages VALUES ('4df0c6af787789d608976458f9267fe5', 'bbee738a5ee484a60496d8d8474ae3d0', 'assistant', 'grey', '{"role":"assistant","content":[{"type":"text","text":"grey"}],"provider_id":"scripted","model_id":"inner/model","provider_model_name":"scripted","raw_message":{"role":"assistant","content":"grey"}}');
INSERT INTO messages VALUES ('77a9d97da65d65ebdadf1aa634083555', '8e67277e3c0855d9582a29b3453a7f57', 'assistant', 'It is grey.', '{"role":"assistant","content":[{"type":"text","text":"It is grey."}],"provider_id":"scripted","model_id":"scripted/model","provider_model_name":"scripted","raw_message":{"role":"assistant","content":"It is grey."}}');
INSERT INTO messages VALUES ('8e67277e3c0855d9582a29b3453a7f57', '074dc85c4b35a256c2e1bbcb0872652e', 'user', '', '{"role":"user","content":[{"type":"tool_output","id":"call_1","name":"ask_other","result":"grey"}]}');
INSERT INTO messages VALUES ('bbee738a5ee484a60496d8d8474ae3d0', NULL, 'user', 'Weather in Oslo?', '{"role":"user","content":[{"type":"text","text":"Weather in Oslo?"}]}');
INSERT INTO messages VALUES ('d06ef12c0440e03cd0d648265e6e5701', NULL, 'user', 'Weather?', '{"role":"user","content":[{"type":"text","text":"Weather?"}]}');
INSERT INTO messages VALUES ('da80c45308f1b4e653d18dedeba4c279', NULL, 'user', 'Search.', '{"role":"user","content":[{"type":"text","text":"Search."}]}');
INSERT INTO messages VALUES ('ee02a7f84ab845829bf72ca421f73188', 'da80c45308f1b4e653d18dedeba4c279', 'assistant', 'It is grey.', '{"role":"assistant","content":[{"type":"text","text":"It is grey."}],"provider_id":"anthropic","model_id":"anthropic/claude-sonnet-5-5","provider_model_name":"claude-sonnet-5-5","raw_message":{"role":"assistant","content":[{"type":"text","text":"It is grey."}]}}');
INSERT INTO response_tools VALUES ('00000000000000000000000000000000', '6c6788acaaaf87fa7c1a596c6a7770ae', 0);
INSERT INTO response_tools VALUES ('00000000000000000000000000000000', 'b3928aa83da20f1472b415e78118da55', 1);
INSERT INTO response_tools VALUES ('00000000000000000000000000000002', '6c6788acaaaf87fa7c1a596c6a7770ae', 0);
INSERT INTO response_tools VALUES ('00000000000000000000000000000002', 'b3928aa83da20f1472b415e78118da55', 1);
INSERT INTO response_tools VALUES ('00000000000000000000000000000003', '38e69a6ba5b160da6ee21e44fb557cb8', 0);
INSERT INTO responses VALUES (1, '00000000000000000000000000000000', '00000000000000000000000000000000', '2026-01-01T00:00:01.000+00:00', 0.5, 'scripted/model', 'scripted', 'scripted', 'chatcmpl-scripted', 'd06ef12c0440e03cd0d648265e6e5701', '074dc85c4b35a256c2e1bbcb0872652e', '{}', '{}', NULL, NULL, 0, 0, 1, 0, 0, 0, '{}', '{"prompt_tokens":0,"completion_tokens":1,"total_tokens":1}', NULL, 'tool_calls', NULL, NULL, NULL, NULL, NULL);
INSERT INTO responses VALUES (2, '00000000000000000000000000000001', '00000000000000000000000000000001', '2026-01-01T00:00:02.000+00:00', 0.5, 'inner/model', 'scripted', 'scripted', 'chatcmpl-scripted', 'bbee738a5ee484a60496d8d8474ae3d0', '4df0c6af787789d608976458f9267fe5', '{}', '{}', NULL, NULL, 0, 0, 1, 0, 0, 0, '{}', '{"prompt_tokens":0,"completion_tokens":1,"total_tokens":1}', NULL, 'stop', NULL, NULL, 'call_1', NULL, NULL);
INSERT INTO responses VALUES (3, '00000000000000000000000000000002', '00000000000000000000000000000000', '2026-01-01T00:00:03.000+00:00', 0.5, 'scripted/model', 'scripted', 'scripted', 'chatcmpl-scripted', '8e67277e3c0855d9582a29b3453a7f57', '77a9d97da65d65ebdadf1aa634083555', '{}', '{}', NULL, NULL, 0, 0, 3, 0, 0, 0, '{}', '{"prompt_tokens":0,"completion_tokens":3,"total_tokens":3}', NULL, 'stop', NULL, NULL, NULL, NULL, NULL);
INSERT INTO responses VALUES (4, '00000000000000000000000000000003', '00000000000000000000000000000003', '2026-01-01T00:00:04.000+00:00', 0.5, 'anthropic/claude-sonnet-5-5', 'anthropic', 'claude-sonnet-5-5', 'msg_1', 'da80c45308f1b4e653d18dedeba4c279', 'ee02a7f84ab845829bf72ca421f73188', '{}', '{}', NULL, NULL, 0, 14, 22, 3, 0, 0, '{}', '{"input_tokens":11,"output_tokens":22,"cache_read_input_tokens":3}', NULL, 'end_turn', NULL, NULL, NULL, NULL, NULL);
INSERT INTO tools VALUES ('38e69a6ba5b160da6ee21e44fb557cb8', 'web_search', '', 'null');
INSERT INTO tools VALUES ('6c6788acaaaf87fa7c1a596c6a7770ae', 'ask_other', 'Ask another model.', '{"additionalProperties":false,"properties":{"city":{"type":"string"}},"required":["city"],"type":"object"}');
INSERT INTO tools VALUES ('b3928aa83da20f1472b415e78118da55', 'weather', 'Fetch the weather.', '{"additionalProperties":false,"properties":{"city":{"description":"The city''s English name.","type":"string"},"days":{"default":1,"description":"How many days.","type":"integer"},"units":{"default":"c","enum":["c","f"],"type":"string"}},"required":["city"],"type":"object"}');
