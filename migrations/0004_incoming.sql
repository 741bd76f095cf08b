-- How each account's postbacks are read, authenticated and limited.

alter table merchants
    -- Own parameter names by field ({"click_id": ["afp"]}), own words for events and statuses ({"reg_ok": "registration"});
    -- each comes before the names and words every account has.
    add column parameter_names jsonb not null default '{}' check (jsonb_typeof(parameter_names) = 'object'),
    add column event_words jsonb not null default '{}' check (jsonb_typeof(event_words) = 'object'),
    add column status_words jsonb not null default '{}' check (jsonb_typeof(status_words) = 'object'),
    -- The event of a postback that names none.
    add column default_event text references event_types (event),
    -- Which of the two separates decimals; null where amounts with two readings are to be refused.
    add column decimal_separator text check (decimal_separator in ('.', ',')),
    -- The merchant's platform, whose parameter names are known (tracking.platforms).
    add column platform text,
    -- Addresses postbacks may come from; empty allows any, but for postback_auth address.
    add column postback_addresses text[] not null default '{}',
    -- Postbacks a minute and edge process; null means the edge's setting.
    add column postback_rate_per_minute integer check (postback_rate_per_minute between 1 and 1000000);
alter table merchants drop constraint merchants_postback_auth_check;
alter table merchants
    add constraint merchants_postback_auth_check check (postback_auth in ('none', 'token', 'hmac', 'address')),
    add constraint merchants_address_is_given check (postback_auth <> 'address' or cardinality(postback_addresses) > 0);

-- An own word must stand for an event type that there is: a postback with any other would be refused without end.
create function check_event_words() returns trigger language plpgsql as $$
declare
    unknown text;
begin
    select min(value) into unknown from jsonb_each_text(new.event_words) as word (key, value)
        where not exists (select from event_types where event_types.event = word.value);
    if unknown is not null then
        raise exception 'event type % does not exist', unknown
            using errcode = 'foreign_key_violation', constraint = 'merchants_event_words_known';
    end if;
    return new;
end
$$;
create trigger event_words_are_known before insert or update of event_words on merchants
    for each row execute function check_event_words();

-- Secrets that postbacks are signed with. Kept as they are, since the edge computes the same signature; `secret_id` orders
-- those of a merchant: a rotation keeps the two newest.
create table merchant_secrets (
    secret_id bigint generated always as identity primary key,
    secret text not null unique check (secret ~ '^whsec_[A-Za-z0-9+/]{32,88}={0,2}$'),
    merchant_id bigint not null references merchants on delete cascade,
    created_at timestamptz not null default now()
);
create index merchant_secrets_by_merchant on merchant_secrets (merchant_id, secret_id);

-- Who is to sign needs something to sign with. Checked at the end of a transaction: a new merchant comes before its secret.
create function check_secret() returns trigger language plpgsql as $$
begin
    if not exists (select from merchant_secrets where merchant_id = new.merchant_id) then
        raise exception 'merchant % has no secret', new.merchant_id
            using errcode = 'check_violation', constraint = 'merchants_secret_is_made';
    end if;
    return null;
end
$$;
create constraint trigger secret_is_made after insert or update of postback_auth on merchants
    deferrable initially deferred for each row when (new.postback_auth = 'hmac') execute function check_secret();

-- Each id that a signed postback was received under, once: the last word on whether one is a replay. The worker inserts the
-- row with the postback it judges; one that finds another postback's row is refused as replayed.
create table postback_nonces (
    merchant_id bigint not null,
    nonce text not null check (length(nonce) between 1 and 256),
    postback_id uuid not null,
    received_at timestamptz not null,
    primary key (merchant_id, nonce)
);
create index postback_nonces_by_time on postback_nonces (received_at);

-- The id that a good signature of it covers.
alter table postbacks add column nonce text;

-- The edge serves accounts and event types from now on.
insert into outbox (keys) select array_agg('a:' || merchant_id) from merchants having count(*) > 0;
insert into outbox (keys) values (array['e']);
