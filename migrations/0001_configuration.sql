-- What the operator configures, and the outbox that carries every change of it to the edge.

create table api_tokens (
    token_id bigint generated always as identity primary key,
    token_hash text not null unique check (token_hash ~ '^[0-9a-f]{64}$'),
    name text not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    revoked_at timestamptz
);

create table profiles (
    profile_id bigint generated always as identity primary key,
    name text not null check (length(name) between 1 and 200),
    domain text not null unique check (domain = lower(domain)),
    redirect_type text not null default '302' check (redirect_type in ('301', '302', 'js')),
    click_expiry_days integer not null default 30 check (click_expiry_days between 1 and 3650),
    active boolean not null default true,
    fallback_url text,
    pixels text[] not null default '{}',
    pixel_timeout_ms integer not null default 300 check (pixel_timeout_ms between 0 and 10000),
    revision integer not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create table merchants (
    merchant_id bigint generated always as identity primary key,
    name text not null check (length(name) between 1 and 200),
    click_parameter text,
    postback_auth text not null default 'token' check (postback_auth in ('none', 'token')),
    currency text not null default 'USD' check (currency ~ '^[A-Z]{3}$'),
    revision integer not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

-- `token_id` orders the tokens of a merchant: a rotation keeps the two newest.
create table merchant_tokens (
    token_id bigint generated always as identity primary key,
    token_hash text not null unique check (token_hash ~ '^[0-9a-f]{64}$'),
    merchant_id bigint not null references merchants on delete cascade,
    created_at timestamptz not null default now()
);
create index merchant_tokens_by_merchant on merchant_tokens (merchant_id, token_id);

create table sources (
    source_id bigint generated always as identity primary key,
    name text not null check (length(name) between 1 and 200),
    prefix text not null default 'DP' check (prefix ~ '^[A-Z]{2,4}$'),
    revision integer not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create table links (
    link_id bigint generated always as identity primary key,
    name text not null check (length(name) between 1 and 200),
    profile_id bigint references profiles,
    merchant_id bigint not null references merchants,
    source_id bigint references sources,
    slug text not null check (slug ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$'),
    destination_url text not null,
    active boolean not null default true,
    sub1 text, sub2 text, sub3 text, sub4 text, sub5 text,
    sub6 text, sub7 text, sub8 text, sub9 text, sub10 text,
    revision integer not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique nulls not distinct (profile_id, slug)
);
create index links_by_merchant on links (merchant_id);
create index links_by_source on links (source_id);

-- One row per change, written in its transaction: the served keys (config.served) it may have touched. The publisher loads
-- what each key is now, so a row only says where to look, and publishing it twice or late does no harm. `source_id` stands
-- for the keys of all links of a source, found when it is published: a link may join the source while it is being renamed.
create table outbox (
    change_id bigint generated always as identity primary key,
    keys text[] not null default '{}',
    source_id bigint,
    -- One of the many rows that a source's change becomes: published after what an operator is waiting for.
    is_bulk boolean not null default false,
    created_at timestamptz not null default now()
);
create index outbox_by_urgency on outbox (is_bulk, change_id);
create index outbox_by_source on outbox (source_id) where source_id is not null;

-- One row: the epoch of what is published, the last version given out and the last one known to be in Redis. A version is
-- given out before it is used, so none is ever used twice.
create table publication (
    publication_id integer primary key default 1 check (publication_id = 1),
    epoch text not null default '',
    version bigint not null default 0,
    published_version bigint not null default 0,
    published_at timestamptz not null default now()
);
insert into publication default values;
