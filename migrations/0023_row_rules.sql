-- Row rules: what a partner sees. A partner's request has the role waypost_partner, and waypost.source_id names its source.
-- The admin's own role has a policy that lets everything pass; the owner of the tables (workers, migrations) has none. What
-- each role may do with a table at all is in grants.sql.
create function viewer_source_id() returns bigint language sql stable parallel safe as
    $$ select nullif(current_setting('waypost.source_id', true), '')::bigint $$;
-- The caller as admin_api.http.caller_key names it.
create function viewer_caller() returns text language sql stable parallel safe as $$
    select coalesce('token:' || (caller ->> 'token_id'), 'user:' || (caller ->> 'user_id'))
    from (select nullif(current_setting('waypost.caller', true), '')::jsonb) asking (caller)
$$;

create index link_history_by_source on link_history (source_id);

-- The links that are or were the viewer's. It has its owner's rights, since the rules of links and of their history ask it.
-- PERF: an array is found once for a query and then looked up in the index of links.
create function viewer_link_ids() returns bigint[] language sql stable parallel safe security definer as $$
    select coalesce(array_agg(link_id), '{}') from (
        select link_id from links where source_id = viewer_source_id()
        union select link_id from link_history where source_id = viewer_source_id()) own
$$;
do $$
begin
    -- SECURITY: a temporary table or function of the caller cannot stand in for ours.
    execute format('alter function viewer_link_ids() set search_path = %I, pg_temp', current_schema());
end
$$;

do $$
declare
    -- Whose a click is was decided when it came: by the link's owner until its next change, else by its owner now.
    as_at_click constant text := 'link_id = any ((select viewer_link_ids())::bigint[]) and (select viewer_source_id()) = ('
        'select case when h.link_id is null then l.source_id else h.source_id end from (select 1) one'
        ' left join links l on l.link_id = %1$I.link_id'
        ' left join lateral (select o.link_id, o.source_id from link_history o where o.link_id = %1$I.link_id'
        ' and o.until > %1$I.clicked_at order by o.until limit 1) h on true)';
    own_source constant text := 'source_id = (select viewer_source_id())';
    rule record;
begin
    for rule in select * from (values
        ('sources', own_source, false),
        ('links', own_source, false),
        -- Whole, also what a link was while it was another's: else a click of that time would seem to be of today's owner.
        ('link_history', 'link_id = any ((select viewer_link_ids())::bigint[])', false),
        ('profiles', 'profile_id in (select profile_id from links)', false),
        ('merchants', 'merchant_id in (select merchant_id from links)', false),
        ('clicks', as_at_click, false),
        ('report_recent', as_at_click, false),
        ('conversions', as_at_click, false),
        ('conversion_changes', 'exists (select from conversions c where c.conversion_id = conversion_changes.conversion_id)', false),
        ('postbacks', 'click_id is not null and exists (select from clicks c where c.click_id = postbacks.click_id)', false),
        ('bookings', own_source, false),
        ('entries', 'party = ''source'' and ' || own_source, false),
        ('payouts', own_source, false),
        ('outgoing_postbacks', own_source, true),
        ('deliveries', 'outgoing_postback_id in (select outgoing_postback_id from outgoing_postbacks)', true),
        ('delivery_attempts', 'exists (select from deliveries d where d.delivery_id = delivery_attempts.delivery_id)', true),
        -- What a trace of a click asks for besides: to a partner these tables are empty.
        ('link_versions', 'false', false),
        ('rotation_versions', 'false', false),
        ('postback_judgements', 'false', false),
        ('replays', 'false', false),
        ('issues', 'false', false)
    ) rules (of_table, own, writes)
    loop
        execute format('alter table %I enable row level security', rule.of_table);
        execute format('create policy admin on %I to waypost_admin using (true) with check (true)', rule.of_table);
        if rule.writes then
            execute format('create policy partner on %I to waypost_partner using (%s) with check (%s)',
                rule.of_table, format(rule.own, rule.of_table), format(rule.own, rule.of_table));
        else
            execute format('create policy partner on %I for select to waypost_partner using (%s)',
                rule.of_table, format(rule.own, rule.of_table));
        end if;
    end loop;
    -- Roll-ups and facts of reports that say whose they are.
    for rule in
        select c.relname as of_table from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'source_id'
        where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
            and c.relname like 'report\_%'
    loop
        execute format('alter table %I enable row level security', rule.of_table);
        execute format('create policy admin on %I to waypost_admin using (true) with check (true)', rule.of_table);
        execute format('create policy partner on %I for select to waypost_partner using (%s)', rule.of_table, own_source);
    end loop;
end
$$;
