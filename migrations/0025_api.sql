-- Answers that are kept so that a request can be repeated without being carried out twice. A key belongs to its caller, and
-- is inserted at the beginning of the transaction that does what the request asks for: whoever comes with the same key waits
-- for that transaction, and what was rolled back leaves no key behind.
create table idempotency_keys (
    -- Such as token:12 or user:3.
    caller text not null check (length(caller) between 1 and 100),
    -- SHA-256 of the key: the key itself opens `sealed`.
    key_hash bytea not null check (length(key_hash) = 32),
    -- SHA-256 of method, path and body.
    request_hash bytea not null check (length(request_hash) = 32),
    status smallint check (status between 200 and 299),
    etag text,
    location text,
    -- The body of the answer, encrypted: it may hold a secret that is shown only once.
    sealed bytea,
    created_at timestamptz not null default now(),
    primary key (caller, key_hash)
);
create index idempotency_keys_by_age on idempotency_keys (created_at);
