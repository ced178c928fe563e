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
INSERT INTO attachments VALUES ('808cf22fbf8f4baf9c108a76c379febd', 'image/png', X'89504E470D0A1A0A0000000D49484452000000010000000108060000001F15C489');
INSERT INTO conversations VALUES ('00000000000000000000000000000001', 'First', 'b6d200f8d7e8beafe178645661d4925d', NULL);
INSERT INTO conversations VALUES ('00000000000000000000000000000004', 'Hi', '267ea053fdb1da5037702d2cd9488866', NULL);
INSERT INTO log_version VALUES (1, '2026-01-01 00:00:00');
INSERT INTO log_version VALUES (2, '2026-01-01 00:00:00');
INSERT INTO messages VALUES ('1840666676970473ab6c75e6ee065d33', NULL, 'system', 'Be brief.', '{"role":"system","content":{"type":"text","text":"Be brief."}}');
INSERT INTO messages VALUES ('267ea053fdb1da5037702d2cd9488866', 'd7c31a2cda1368a3801ce9d9ff773121', 'assistant', 'Hello.', '{"role":"assistant","content":[{"type":"text","text":"Hello."}],"provider_id":"scripted","model_id":"openai/gpt-6-luna","provider_model_name":"scripted","raw_message":{"role":"assistant","content":"Hello."}}');
INSERT INTO messages VALUES ('357b49c299bef0b335b7265154db29bc', 'b3302824d8b80bfcc31ddecf81020db3', 'assistant', 'One.', '{"role":"assistant","content":[{"type":"text","text":"One."}],"provider_id":"scripted","model_id":"openai/gpt-6-luna","provider_model_name":"scripted","raw_message":{"role":"assistant","content":"One."}}');
INSERT INTO messages VALUES ('6205a2be1993d2cad75bdf49b1e9af3b', 'c96bc3535688788e2c3c78b58f720d2c', 'user', '', '{"role":"user","content":[{"type":"tool_output","id":"call_1","name":"weather","result":"sunny in Oslo"}]}');
INSERT INTO messages VALUES ('b3302824d8b80bfcc31ddecf81020db3', '1840666676970473ab6c75e6ee065d33', 'user', 'First', '{"role":"user","content":[{"type":"text","text":"First"},{"type":"image","source":{"type":"base64_image_source","data":{"$attachment":"808cf22fbf8f4baf9c108a76c379febd"},"mime_type":"image/png"}}]}');
INSERT INTO messages VALUES ('b6d200f8d7e8beafe178645661d4925d', '6205a2be1993d2cad75bdf49b1e9af3b', 'assistant', 'Grey.', '{"role":"assistant","content":[{"type":"text","text":"Grey."}],"provider_id":"scripted","model_id":"openai/gpt-6-luna","provider_model_name":"scripted","raw_message":{"role":"assistant","content":"Grey."}}');
INSERT INTO messages VALUES ('c96bc3535688788e2c3c78b58f720d2c', 'ffc1f3ae74476d55242f47fd28e52eb3', 'assistant', '', '{"role":"assistant","content":[{"type":"tool_call","id":"call_1","name":"weather","args":"{\"city\": \"Oslo\"}"}],"provider_id":"scripted","model_id":"openai/gpt-6-luna","provider_model_name":"scripted","raw_message":{"role":"assistant","content":null,"tool_calls":[{"type":"function","id":"call_1","function":{"name":"weather","arguments":"{\"city\": \"Oslo\"}"}}]}}');
INSERT INTO messages VALUES ('d7c31a2cda1368a3801ce9d9ff773121', NULL, 'user', 'Hi', '{"role":"user","content":[{"type":"text","text":"Hi"},{"type":"image","source":{"type":"base64_image_source","data":{"$attachment":"808cf22fbf8f4baf9c108a76c379febd"},"mime_type":"image/png"}}]}');
INSERT INTO messages VALUES ('ffc1f3ae74476d55242f47fd28e52eb3', '357b49c299bef0b335b7265154db29bc', 'user', 'Weather?', '{"role":"user","content":[{"type":"text","text":"Weather?"},{"type":"image","source":{"type":"base64_image_source","data":{"$attachment":"808cf22fbf8f4baf9c108a76c379febd"},"mime_type":"image/png"}}]}');
INSERT INTO response_tools VALUES ('00000000000000000000000000000000', 'b3928aa83da20f1472b415e78118da55', 0);
INSERT INTO response_tools VALUES ('00000000000000000000000000000002', 'b3928aa83da20f1472b415e78118da55', 0);
INSERT INTO response_tools VALUES ('00000000000000000000000000000003', 'b3928aa83da20f1472b415e78118da55', 0);
INSERT INTO responses VALUES (1, '00000000000000000000000000000000', '00000000000000000000000000000001', '2026-01-01T00:00:01.000+00:00', 0.5, 'openai/gpt-6-luna', 'scripted', 'scripted', 'chatcmpl-scripted', 'b3302824d8b80bfcc31ddecf81020db3', '357b49c299bef0b335b7265154db29bc', '{"max_tokens":50}', '{"id":"00000000000000000000000000000000","conversation":"00000000000000000000000000000001"}', NULL, NULL, 1, 0, 1, 0, 0, 0, '{}', '{"prompt_tokens":0,"completion_tokens":1,"total_tokens":1}', NULL, 'stop', NULL, NULL, NULL, NULL, NULL);
INSERT INTO responses VALUES (2, '00000000000000000000000000000002', '00000000000000000000000000000001', '2026-01-01T00:00:02.000+00:00', 0.5, 'openai/gpt-6-luna', 'scripted', 'scripted', 'chatcmpl-scripted', 'ffc1f3ae74476d55242f47fd28e52eb3', 'c96bc3535688788e2c3c78b58f720d2c', '{"max_tokens":50}', '{"id":"00000000000000000000000000000002","conversation":"00000000000000000000000000000001"}', NULL, NULL, 1, 0, 1, 0, 0, 0, '{}', '{"prompt_tokens":0,"completion_tokens":1,"total_tokens":1}', NULL, 'tool_calls', NULL, NULL, NULL, NULL, NULL);
INSERT INTO responses VALUES (3, '00000000000000000000000000000003', '00000000000000000000000000000001', '2026-01-01T00:00:03.000+00:00', 0.5, 'openai/gpt-6-luna', 'scripted', 'scripted', 'chatcmpl-scripted', '6205a2be1993d2cad75bdf49b1e9af3b', 'b6d200f8d7e8beafe178645661d4925d', '{"max_tokens":50}', '{"id":"00000000000000000000000000000003","conversation":"00000000000000000000000000000001"}', NULL, NULL, 1, 0, 1, 0, 0, 0, '{}', '{"prompt_tokens":0,"completion_tokens":1,"total_tokens":1}', NULL, 'stop', NULL, NULL, NULL, NULL, NULL);
INSERT INTO responses VALUES (4, '00000000000000000000000000000004', '00000000000000000000000000000004', '2026-01-01T00:00:04.000+00:00', 0.5, 'openai/gpt-6-luna', 'scripted', 'scripted', 'chatcmpl-scripted', 'd7c31a2cda1368a3801ce9d9ff773121', '267ea053fdb1da5037702d2cd9488866', '{}', '{"id":"00000000000000000000000000000004"}', NULL, NULL, 1, 0, 1, 0, 0, 0, '{}', '{"prompt_tokens":0,"completion_tokens":1,"total_tokens":1}', NULL, 'stop', NULL, NULL, NULL, NULL, NULL);
INSERT INTO tools VALUES ('b3928aa83da20f1472b415e78118da55', 'weather', 'Fetch the weather.', '{"additionalProperties":false,"properties":{"city":{"description":"The city''s English name.","type":"string"},"days":{"default":1,"description":"How many days.","type":"integer"},"units":{"default":"c","enum":["c","f"],"type":"string"}},"required":["city"],"type":"object"}');
