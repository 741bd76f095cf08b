-- People: users, how they are invited and log in, and API tokens that belong to them.
create table users (
    user_id bigint generated always as identity primary key,
    -- In small letters, so that an address is one user's however it is typed.
    email text not null unique check (email = lower(email) and length(email) between 3 and 254),
    name text not null check (length(name) between 1 and 200),
    role text not null check (role in ('owner', 'manager', 'analyst', 'partner')),
    -- Whether an analyst is shown money. It says nothing of other roles.
    sees_money boolean not null default false,
    -- A partner belongs to one source, and nobody else does.
    source_id bigint references sources,
    -- Argon2id with its parameters. Null until the invitation is accepted.
    password_hash text check (password_hash ~ '^\$argon2id\$'),
    -- It tells another password from the same one that was hashed again with other parameters.
    password_changed_at timestamptz,
    -- The secret of the second factor, sealed. It counts once a code of it has confirmed it.
    totp_secret text check (totp_secret ~ '^sealed:'),
    totp_confirmed_at timestamptz,
    -- The 30 seconds of the last code that was used. No code of them or from before is taken again.
    totp_last_step bigint,
    disabled_at timestamptz,
    last_login_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    revision bigint not null default 1,
    constraint users_partner_has_source check ((role = 'partner') = (source_id is not null)),
    constraint users_totp_has_secret check (totp_confirmed_at is null or totp_secret is not null)
);
create index users_by_name on users (name, user_id);
create index users_by_source on users (source_id) where source_id is not null;

-- Ended sessions are deleted. The cookie's value is stored hashed.
create table user_sessions (
    session_id bigint generated always as identity primary key,
    user_id bigint not null references users on delete cascade,
    token_hash text not null unique check (token_hash ~ '^[0-9a-f]{64}$'),
    created_at timestamptz not null default now(),
    last_seen_at timestamptz not null default now(),
    -- It ends after this long without a request, and in any case at `expires_at`.
    idle interval not null,
    expires_at timestamptz not null,
    address inet,
    user_agent text not null default '' check (length(user_agent) <= 500)
);
create index user_sessions_by_user on user_sessions (user_id);
create index user_sessions_by_expiry on user_sessions (expires_at);

-- A used code is deleted, so it is taken once, whoever comes at the same time.
create table recovery_codes (
    user_id bigint not null references users on delete cascade,
    code_hash text not null check (code_hash ~ '^[0-9a-f]{64}$'),
    primary key (user_id, code_hash)
);

-- Links that let somebody set a password, once: an invitation, or a reset. A user has at most one; a new one replaces it.
create table one_time_links (
    user_id bigint primary key references users on delete cascade,
    token_hash text not null unique check (token_hash ~ '^[0-9a-f]{64}$'),
    purpose text not null check (purpose in ('invitation', 'reset')),
    created_at timestamptz not null default now(),
    expires_at timestamptz not null
);

-- Where somebody has logged in from. What others fail at does not slow down a login from there.
create table known_addresses (
    user_id bigint not null references users on delete cascade,
    -- An IPv4 address, or the /64 of an IPv6 address.
    network inet not null,
    last_login_at timestamptz not null default now(),
    primary key (user_id, network)
);

-- Failed logins by account, by address and by both, each as SHA-256 of what it counts.
create table login_failures (
    counted bytea primary key check (length(counted) = 32),
    failures integer not null check (failures >= 0),
    last_failed_at timestamptz not null
);
create index login_failures_by_age on login_failures (last_failed_at);

-- Tokens without a user are the installation's own, with the rights of an owner: the first token, and those made with it.
alter table api_tokens add column user_id bigint references users on delete cascade;
-- The rights that the token is limited to. Null for the first token, which has all.
alter table api_tokens add column scopes text[];
-- The beginning of the token, by which its owner knows it.
alter table api_tokens add column prefix text check (length(prefix) <= 16);
alter table api_tokens add column last_used_at timestamptz;
-- The token that this one replaces. The old one keeps working until it expires.
alter table api_tokens add column replaces_token_id bigint references api_tokens on delete set null;
alter table api_tokens add column revision bigint not null default 1;
alter table api_tokens add column updated_at timestamptz not null default now();
create index api_tokens_by_user on api_tokens (user_id, token_id);
create unique index api_tokens_replaced_once on api_tokens (replaces_token_id) where revoked_at is null;

-- A partner's requests see and change what is the partner's own. `waypost.caller` is set with the role of each request.
create function viewer_user_id() returns bigint language sql stable parallel safe as
    $$ select (nullif(current_setting('waypost.caller', true), '')::jsonb ->> 'user_id')::bigint $$;
do $$
declare
    own text;
begin
    foreach own in array '{users, user_sessions, recovery_codes, one_time_links, known_addresses, api_tokens}'::text[] loop
        execute format('alter table %I enable row level security', own);
        execute format('create policy admin on %I to waypost_admin using (true) with check (true)', own);
        execute format('create policy partner on %I to waypost_partner using (user_id = (select viewer_user_id()))'
            ' with check (user_id = (select viewer_user_id()))', own);
    end loop;
end
$$;
