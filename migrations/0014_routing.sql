-- The rules of links, rotations (destinations that many links share), and every version that either ever had.

-- Numbers of rules, destinations and caps. Clicks store them, so a number is never given out twice.
create sequence routing_ids as bigint;

-- The rule document as tracking.routing reads it; null for a link without rules.
alter table links add column routing jsonb check (jsonb_typeof(routing) = 'object');

create table rotations (
    rotation_id bigint generated always as identity primary key,
    name text not null check (length(name) between 1 and 200),
    destinations jsonb not null check (jsonb_typeof(destinations) = 'array'),
    assignment text not null default 'sticky' check (assignment in ('sticky', 'random')),
    -- The time zone of its caps; null for that of the installation.
    time_zone text,
    revision integer not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

-- Which links use which rotation, from their rule documents. The reference keeps a rotation that a link uses, also when
-- one is deleted while the other is saved.
create table link_rotations (
    rotation_id bigint not null references rotations,
    link_id bigint not null references links on delete cascade,
    primary key (rotation_id, link_id)
);
create index link_rotations_by_link on link_rotations (link_id);

-- One row for each revision: all columns as they were from `changed_at` on, without those that are null, and the API
-- token that changed them. Both are null for what was there before versions were kept, and for changes by hand.
create table link_versions (
    link_id bigint not null references links on delete cascade,
    revision integer not null,
    changed_at timestamptz not null,
    token_id bigint,
    changed_by text,
    fields jsonb not null,
    primary key (link_id, revision)
);
create table rotation_versions (
    rotation_id bigint not null references rotations on delete cascade,
    revision integer not null,
    changed_at timestamptz not null,
    token_id bigint,
    changed_by text,
    fields jsonb not null,
    primary key (rotation_id, revision)
);

-- Who changes something says so with set_config('waypost.token_id' | 'waypost.actor', …, true) in its transaction.
create function actor_token_id() returns bigint language sql stable as
    $$ select nullif(current_setting('waypost.token_id', true), '')::bigint $$;
create function actor_name() returns text language sql stable as
    $$ select nullif(current_setting('waypost.actor', true), '') $$;

-- A statement that changes a row without a new revision gets one here, so that a revision always means one state.
create function make_revision() returns trigger language plpgsql as $$
begin
    new.revision := old.revision + 1;
    new.updated_at := now();
    return new;
end
$$;
create trigger link_gets_a_revision before update on links for each row
    when (new.revision = old.revision and new.* is distinct from old.*) execute function make_revision();
create trigger rotation_gets_a_revision before update on rotations for each row
    when (new.revision = old.revision and new.* is distinct from old.*) execute function make_revision();

-- Versions are kept by triggers, so that no way of changing a link forgets them; and once for a statement, since an import
-- inserts many thousands of links.
create function keep_link_versions() returns trigger language plpgsql as $$
begin
    insert into link_versions (link_id, revision, changed_at, token_id, changed_by, fields)
        select link_id, revision, now(), actor_token_id(), actor_name(),
            jsonb_strip_nulls(to_jsonb(changed) - array['link_id', 'revision', 'created_at', 'updated_at'])
        from changed
        -- An update that changed nothing.
        on conflict do nothing;
    if tg_op = 'UPDATE' then
        delete from link_rotations using changed where link_rotations.link_id = changed.link_id;
    end if;
    insert into link_rotations (rotation_id, link_id)
        select distinct (used #>> '{}')::bigint, link_id from changed
        cross join lateral jsonb_path_query(routing, '$.rules[*].destinations[*].rotation_id') as used
        where routing is not null;
    return null;
end
$$;
create trigger new_links_are_kept after insert on links referencing new table as changed
    for each statement execute function keep_link_versions();
create trigger changed_links_are_kept after update on links referencing new table as changed
    for each statement execute function keep_link_versions();

create function keep_rotation_versions() returns trigger language plpgsql as $$
begin
    insert into rotation_versions (rotation_id, revision, changed_at, token_id, changed_by, fields)
        select rotation_id, revision, now(), actor_token_id(), actor_name(),
            jsonb_strip_nulls(to_jsonb(changed) - array['rotation_id', 'revision', 'created_at', 'updated_at'])
        from changed on conflict do nothing;
    return null;
end
$$;
create trigger new_rotations_are_kept after insert on rotations referencing new table as changed
    for each statement execute function keep_rotation_versions();
create trigger changed_rotations_are_kept after update on rotations referencing new table as changed
    for each statement execute function keep_rotation_versions();

insert into link_versions (link_id, revision, changed_at, fields)
    select link_id, revision, updated_at,
        jsonb_strip_nulls(to_jsonb(links) - array['link_id', 'revision', 'created_at', 'updated_at'])
    from links;
