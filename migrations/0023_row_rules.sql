-- Row rules: what a partner sees. A partner's request has the role waypost_partner, and waypost.source_id names its source.
-- The admin's own role has a policy that lets everything pass; the owner of the tables (workers, migrations) has none. What
-- each role may do at all is in grants.sql.
create function viewer_source_id() returns bigint language sql stable parallel safe as
    $$ select nullif(current_setting('waypost.source_id', true), '')::bigint $$;
