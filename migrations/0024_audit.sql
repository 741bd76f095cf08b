-- Secrets are stored sealed (config.sealing): `python -m admin_api.migrate` seals those that were stored in clear.
alter table merchant_secrets drop constraint merchant_secrets_secret_check;
alter table merchant_secrets add constraint merchant_secrets_secret_check
    check (secret ~ '^(whsec_[A-Za-z0-9+/]{32,88}={0,2}|sealed:[0-9a-f]{8}:[A-Za-z0-9_-]+={0,2})$');

-- The audit log: what people and API tokens change, as it was and as it is, in the transaction that changes it.
create table audit_log (
    audit_id bigint generated always as identity,
    happened_at timestamptz not null default now(),
    -- Who: a user, an API token, or the token of a user; by name as it was then. `address` is where they called from.
    user_id bigint,
    token_id bigint,
    actor text not null,
    address text,
    action text not null check (action in ('create', 'change', 'delete')),
    -- Which: the kind, such as link, and the number or the name that it has in its path.
    object text not null,
    object_id text not null,
    -- The fields that differ; all of them where something was created or deleted. Of a secret it is only said that it is
    -- another one.
    before jsonb,
    after jsonb,
    primary key (audit_id, happened_at)
) partition by range (happened_at);
create index audit_log_by_object on audit_log (object, object_id, audit_id);
create index audit_log_by_user on audit_log (user_id, audit_id);
create index audit_log_by_time on audit_log (happened_at, audit_id);
do $$
begin
    for ahead in 0..2 loop
        perform make_month_partition('audit_log', (date_trunc('month', now() at time zone 'UTC')
            + make_interval(months => ahead))::date);
    end loop;
end
$$;

-- What may be shown of a row: a secret is named by a part of its hash, so that a change of it shows, and nothing else does.
create function audited_row(given jsonb, secrets text[]) returns jsonb language sql stable parallel safe as $$
    select case when secrets = '{}' then shown else (shown - secrets) || (
        select jsonb_object_agg(name, case when given -> name in ('null', '[]') then given -> name
            else to_jsonb('secret ' || left(encode(sha256(convert_to(given ->> name, 'UTF8')), 'hex'), 8)) end)
        from unnest(secrets) name) end
    from (select given - '{updated_at, revision, last_used_at, last_seen_at, last_login_at, totp_last_step}'::text[]) rows (shown)
$$;

-- The arguments of the trigger: the kind of object, the column that names it, and the columns of secrets. It has the rights of
-- its owner, so that whoever makes a change needs none on the log. One statement for all rows of a change.
create function audit_changes() returns trigger language plpgsql security definer as $$
declare
    -- None of these is the name of a column of any table.
    calling jsonb := current_setting('waypost.caller', true)::jsonb;
    named_by constant text := tg_argv[1];
    hidden_columns constant text[] := tg_argv[2]::text[];
begin
    if tg_op = 'INSERT' then
        insert into audit_log (user_id, token_id, actor, address, action, object, object_id, after)
            select (calling ->> 'user_id')::bigint, (calling ->> 'token_id')::bigint, coalesce(calling ->> 'name', ''),
                calling ->> 'address', 'create', tg_argv[0], coalesce(made ->> named_by, ''), audited_row(made, hidden_columns)
            from (select to_jsonb(r) as made from becomes r) rows;
    elsif tg_op = 'DELETE' then
        insert into audit_log (user_id, token_id, actor, address, action, object, object_id, before)
            select (calling ->> 'user_id')::bigint, (calling ->> 'token_id')::bigint, coalesce(calling ->> 'name', ''),
                calling ->> 'address', 'delete', tg_argv[0], coalesce(gone ->> named_by, ''), audited_row(gone, hidden_columns)
            from (select to_jsonb(r) as gone from was r) rows;
    else
        insert into audit_log (user_id, token_id, actor, address, action, object, object_id, before, after)
            select (calling ->> 'user_id')::bigint, (calling ->> 'token_id')::bigint, coalesce(calling ->> 'name', ''),
                calling ->> 'address', 'change', tg_argv[0], id, differing.before, differing.after
            -- PERF: both rows have the same names, so each value is looked up in the other row; joining all names of both takes
            -- three times as long.
            from (select row ->> named_by as id, audited_row(row, hidden_columns) as fields
                    from (select to_jsonb(r) as row from was r) rows offset 0) o
                join (select row ->> named_by as id, audited_row(row, hidden_columns) as fields
                    from (select to_jsonb(r) as row from becomes r) rows offset 0) n using (id)
                cross join lateral (
                    select jsonb_object_agg(key, value) as before, jsonb_object_agg(key, n.fields -> key) as after
                    from jsonb_each(o.fields) where n.fields -> key <> value
                ) differing
            where o.fields <> n.fields;
    end if;
    return null;
end
$$;

do $$
declare
    audited record;
    -- Workers have no caller; what they do is in tables of its own.
    called constant text := ' for each statement when (current_setting(''waypost.caller'', true) <> '''')';
    run text;
begin
    -- SECURITY: a temporary table of the caller cannot stand in for the log.
    execute format('alter function audit_changes() set search_path = %I, pg_temp', current_schema());
    for audited in select * from (values
        ('api_tokens', 'API token', 'token_id', '{token_hash}'),
        ('class_runs', 'class run', 'run_id', '{}'),
        ('commission_plans', 'commission plan', 'plan_id', '{}'),
        ('conversions', 'conversion', 'conversion_id', '{}'),
        ('entries', 'entry', 'entry_id', '{}'),
        -- Whom an erasure is about is erased too.
        ('erasures', 'erasure', 'erasure_id', '{subject, subject_hash}'),
        ('event_types', 'event type', 'event', '{}'),
        ('exchange_rates', 'exchange rate', 'rate_id', '{}'),
        -- What an issue tells of a visitor is erased where the issue is.
        ('issues', 'issue', 'issue_id', '{detail, title, subject_key}'),
        ('links', 'link', 'link_id', '{}'),
        ('merchant_secrets', 'merchant secret', 'secret_id', '{secret}'),
        ('merchant_tokens', 'merchant token', 'token_id', '{token_hash}'),
        ('merchants', 'merchant', 'merchant_id', '{}'),
        ('one_time_links', 'one-time link', 'user_id', '{token_hash}'),
        ('outgoing_postbacks', 'outgoing postback', 'outgoing_postback_id', '{secrets}'),
        ('payouts', 'payout', 'payout_id', '{}'),
        ('profiles', 'profile', 'profile_id', '{next_hop_secrets}'),
        ('reconciliations', 'reconciliation', 'reconciliation_id', '{}'),
        ('recovery_codes', 'recovery code', 'user_id', '{code_hash}'),
        ('replays', 'replay', 'replay_id', '{}'),
        ('report_schedules', 'report schedule', 'report_schedule_id', '{}'),
        ('rotations', 'rotation', 'rotation_id', '{}'),
        ('saved_reports', 'saved report', 'saved_report_id', '{}'),
        ('sources', 'source', 'source_id', '{}'),
        ('traffic_lists', 'traffic lists', 'singleton', '{}'),
        ('user_sessions', 'session', 'session_id', '{token_hash}'),
        ('users', 'user', 'user_id', '{password_hash, totp_secret}')
    ) tables (of_table, kind, id_name, secrets)
    loop
        run := format(called || ' execute function audit_changes(%L, %L, %L)', audited.kind, audited.id_name, audited.secrets);
        execute format('create trigger created_is_audited after insert on %I referencing new table as becomes', audited.of_table)
            || run;
        execute format('create trigger changed_is_audited after update on %I referencing old table as was'
            ' new table as becomes', audited.of_table) || run;
        execute format('create trigger deleted_is_audited after delete on %I referencing old table as was', audited.of_table)
            || run;
    end loop;
end
$$;
