-- What the roles of the admin API may do. This is no migration: `python -m admin_api.migrate` applies it after them, every
-- time, so a table of any migration has its rights, and a database that was restored on another server gets them again.
-- A test says that every table is decided upon here.
do $$
declare
    -- Written by the workers, by triggers that have their owner's rights, or by migrations: the admin only reads them.
    read_only constant text[] := '{audit_log, cap_conversions, cap_counting, class_days, class_run_counts, click_days, clicks,
        poison_records, postback_days, postback_judgements, postback_nonces, postbacks, retention_drops, schema_migrations,
        settling, settling_minutes, settling_state, spool_progress}';
    -- Appended to and never changed.
    kept constant text[] := '{conversion_changes, entries, link_history, link_versions, rotation_versions}';
    -- What is shown of reports is read, and what triggers note for them is appended.
    relation record;
begin
    for relation in
        select c.oid::regclass as name, c.relname::text as plain, c.relkind from pg_class c
        where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p', 'v', 'm') and not c.relispartition
            and pg_has_role(c.relowner, 'usage')
    loop
        execute format('revoke all on %s from waypost_admin, waypost_partner, public', relation.name);
        if relation.relkind in ('v', 'm') or relation.plain = any(read_only) then
            execute format('grant select on %s to waypost_admin', relation.name);
        elsif relation.plain = any(kept) then
            execute format('grant select, insert on %s to waypost_admin', relation.name);
        else
            execute format('grant select, insert, update, delete on %s to waypost_admin', relation.name);
        end if;
    end loop;
    execute format('grant usage on schema %I to waypost_admin, waypost_partner', current_schema());
end
$$;
grant usage on sequence routing_ids to waypost_admin;
-- Paying a payout locks its entries, and rejecting one frees them. These two columns say which payout pays an entry and
-- are no part of what it is; the trigger entries_are_kept refuses them too once an entry is locked.
grant update (payout_id, locked) on entries to waypost_admin;
