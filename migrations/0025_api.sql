-- Answers that are kept so that a request can be repeated without being carried out twice. A key belongs to its caller, and
-- is inserted at the beginning of the transaction that does what the request asks for: whoever comes with the same key waits
-- for that transaction, and what was rolled back leaves no key behind.
create table idempotency_keys (
    -- Such as token:12 or user:3.
    caller text not null check (length(caller) between 1 and 100),
    -- SHA-256 of the key.
    key_hash bytea not null check (length(key_hash) = 32),
    -- SHA-256 of method, path and body.
    request_hash bytea not null check (length(request_hash) = 32),
    status smallint check (status between 200 and 299),
    etag text,
    location text,
    -- The body of the answer, encrypted as signing secrets are: it may hold a secret that is shown only once.
    sealed text,
    created_at timestamptz not null default now(),
    primary key (caller, key_hash)
);
create index idempotency_keys_by_age on idempotency_keys (created_at);

-- What is archived is out of use but not gone: lists hide it, nothing new may name it, and archived links redirect no more.
alter table profiles add column archived_at timestamptz;
alter table merchants add column archived_at timestamptz;
alter table sources add column archived_at timestamptz;
alter table links add column archived_at timestamptz;
alter table rotations add column archived_at timestamptz;
alter table commission_plans add column archived_at timestamptz;
alter table outgoing_postbacks add column archived_at timestamptz;
-- Only what is switched off can be archived where workers ask for that alone.
alter table commission_plans add constraint commission_plans_archived check (archived_at is null or not active);
alter table outgoing_postbacks add constraint outgoing_postbacks_archived check (archived_at is null or state = 'disabled');
-- The list of links sorted by name.
create index links_by_name on links (name, link_id);

-- Row rules: the key of a partner opens no answer of anybody else's.
alter table idempotency_keys enable row level security;
create policy admin on idempotency_keys to waypost_admin using (true) with check (true);
create policy partner on idempotency_keys to waypost_partner using (caller = (select viewer_caller()))
    with check (caller = (select viewer_caller()));
