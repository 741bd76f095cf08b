-- What the roles of the admin API may do. This is no migration: `python -m admin_api.migrate` applies it after them, every
-- time, so that every table of this release has its rights, and a database that was restored elsewhere gets them again.
-- A table that stands nowhere here is closed to both roles; a test asks that each one stands here. Names are patterns.
do $$
declare
    -- waypost_admin reads these. Workers write them, or triggers with the rights of the owner, or migrations.
    read constant text[] := '{audit_log, class_days, class_run_counts, click_days, clicks, poison_records, postback_days,
        postback_judgements, postback_nonces, postbacks, report_clicks_%, report_conversions%, report_days, report_events_%,
        report_gaps, report_marks, report_queue, report_recent, report_state, retention_drops, schema_migrations, settling,
        settling_minutes, settling_state, spool_progress}';
    -- waypost_admin appends to these and never changes them.
    appended constant text[] := '{conversion_changes, entries, link_history, link_versions, report_click_changes,
        report_conversion_queue, rotation_versions, stream_notes}';
    -- waypost_admin works with these.
    worked constant text[] := '{api_tokens, bookings, cap_conversions, cap_counting, caps, class_runs, commission_plans,
        conversions, deliveries, delivery_attempts, erasures, event_types, exchange_rates, idempotency_keys, issues,
        known_addresses, link_rotations, links, login_failures, merchant_secrets, merchant_tokens, merchants, one_time_links,
        outbox, outgoing_postbacks, payouts, profiles, publication, reconciliation_rows, reconciliations, recovery_codes,
        replays, report_mails, report_schedules, rotations, saved_reports, sources, stream_state, traffic_lists,
        user_sessions, users}';
    -- waypost_partner reads these. Each has row rules, but for those that say only how far reports are kept.
    partner_reads constant text[] := '{bookings, clicks, conversion_changes, conversions, entries, link_history, links, payouts,
        postbacks, report_click_changes, report_clicks_audience, report_clicks_link, report_clicks_referrer,
        report_clicks_source, report_clicks_sub_, report_conversion_queue, report_conversions, report_conversions_audience,
        report_conversions_link, report_conversions_referrer, report_conversions_source, report_conversions_sub_, report_days,
        report_events_audience, report_events_link, report_events_referrer, report_events_source, report_events_sub_,
        report_gaps, report_marks, report_queue, report_recent, report_state, retention_drops, sources, exchange_rates}';
    -- waypost_partner finds nothing in these, by their row rules; a trace of its click joins them.
    partner_joins constant text[] := '{issues, link_versions, postback_judgements, replays, rotation_versions}';
    -- waypost_partner works with its own rows of these.
    partner_works constant text[] := '{api_tokens, deliveries, delivery_attempts, idempotency_keys, known_addresses,
        one_time_links, outgoing_postbacks, recovery_codes, report_mails, report_schedules, saved_reports, user_sessions}';
    relation record;
begin
    for relation in
        select c.oid::regclass as name, c.relname::text as plain, c.relkind in ('v', 'm') as is_view from pg_class c
        where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p', 'v', 'm') and not c.relispartition
            and pg_has_role(c.relowner, 'usage')
    loop
        execute format('revoke all on %s from waypost_admin, waypost_partner, public', relation.name);
        -- The views of reports are looked through with the rights of who asks, and so is every row below them.
        if relation.is_view and relation.plain like 'report\_%' then
            execute format('grant select on %s to waypost_admin, waypost_partner', relation.name);
        elsif relation.plain like any(worked) then
            execute format('grant select, insert, update, delete on %s to waypost_admin', relation.name);
        elsif relation.plain like any(appended) then
            execute format('grant select, insert on %s to waypost_admin', relation.name);
        elsif relation.plain like any(read) then
            execute format('grant select on %s to waypost_admin', relation.name);
        end if;
        if relation.plain like any(partner_works) then
            execute format('grant select, insert, update, delete on %s to waypost_partner', relation.name);
        elsif relation.plain like any(partner_reads || partner_joins) then
            execute format('grant select on %s to waypost_partner', relation.name);
        end if;
    end loop;
    execute format('grant usage on schema %I to waypost_admin, waypost_partner', current_schema());
end
$$;
grant usage on sequence routing_ids to waypost_admin;
-- Paying a payout locks its entries, and rejecting one frees them. These two columns say which payout pays an entry and
-- are no part of what it is; the trigger entries_are_kept refuses them too once an entry is locked.
grant update (payout_id, locked) on entries to waypost_admin;
-- A link shows its domain and its merchant's name. The secrets in the same rows are nobody's but the operator's.
grant select (profile_id, name, domain, active, redirect_type, updated_at) on profiles to waypost_partner;
grant select (merchant_id, name) on merchants to waypost_partner;
grant select (event, name, built_in, repeatable, active) on event_types to waypost_partner;
-- Of its own user a partner's request changes what belongs to logging in, never the role or the source.
grant select on users to waypost_partner;
grant update (name, password_hash, password_changed_at, totp_secret, totp_confirmed_at, totp_last_step, last_login_at,
    updated_at, revision) on users to waypost_partner;
