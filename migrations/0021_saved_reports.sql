-- Saved reports, when they are sent by e-mail, and what was sent.

-- A report belongs to the user who saved it, or to the API token of no user. Who asks is in `waypost.caller`, which the admin
-- API's pool sets with the role of each request; a thread of the admin itself, such as the mailer, has none.
create function viewer_key(key text) returns bigint language sql stable parallel safe as
    $$ select (nullif(current_setting('waypost.caller', true), '')::jsonb ->> key)::bigint $$;
create function viewer_owns_report(owner_user_id bigint, owner_token_id bigint) returns boolean
    language sql stable parallel safe as
    $$ select coalesce(owner_user_id = viewer_key('user_id'),
        owner_token_id = viewer_key('token_id') and viewer_key('user_id') is null, false) $$;
-- The admin itself, an owner of the installation, or the installation's own token. It is not inlined, since it names a
-- table of the next migration.
create function viewer_sees_all_reports() returns boolean language plpgsql stable parallel safe as $$
begin
    return case
        when coalesce(current_setting('waypost.caller', true), '') = '' then true
        when viewer_key('user_id') is null then viewer_key('token_id') is not null
        else exists (select from users u where u.user_id = viewer_key('user_id') and u.role = 'owner')
    end;
end
$$;

create table saved_reports (
    saved_report_id bigint generated always as identity primary key,
    name text not null check (length(name) between 1 and 200),
    -- Whether others may read it.
    shared boolean not null default false,
    -- The parameters of GET /v1/reports: text by name.
    question jsonb not null check (jsonb_typeof(question) = 'object'),
    owner_user_id bigint default viewer_key('user_id'),
    owner_token_id bigint default viewer_key('token_id'),
    -- The only source that its owner sees.
    source_id bigint default nullif(current_setting('waypost.source_id', true), '')::bigint,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    revision bigint not null default 1
);
create index saved_reports_by_name on saved_reports (name, saved_report_id);

create table report_schedules (
    report_schedule_id bigint generated always as identity primary key,
    saved_report_id bigint not null constraint report_schedules_report references saved_reports on delete cascade,
    active boolean not null default true,
    every text not null check (every in ('day', 'week', 'month')),
    weekday smallint not null check (weekday between 1 and 7),
    day smallint not null check (day between 1 and 31),
    hour smallint not null check (hour between 0 and 23),
    time_zone text not null,
    recipients text[] not null check (cardinality(recipients) between 1 and 20),
    format text not null check (format in ('csv', 'xlsx')),
    -- Why it is not sent though it is active: its owner may not ask any more.
    suspended_reason text,
    next_at timestamptz not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    revision bigint not null default 1
);
create index report_schedules_by_report on report_schedules (saved_report_id);
create index report_schedules_due on report_schedules (next_at) where active and suspended_reason is null;

-- waiting → preparing → handing_over → sent, or back to waiting for another attempt, or failed. What a crash leaves in
-- `preparing` was not sent; what it leaves in `handing_over` may have been, and `doubts` counts that.
create table report_mails (
    report_mail_id bigint generated always as identity primary key,
    saved_report_id bigint not null references saved_reports on delete cascade,
    -- Null for one that somebody asked for.
    report_schedule_id bigint references report_schedules on delete cascade,
    -- The moment it is for, from which relative periods are counted.
    due_at timestamptz not null,
    -- The same for every attempt, so that a mail server or a reader can tell that two are one.
    message_id text not null,
    format text not null check (format in ('csv', 'xlsx')),
    -- Who is still to get it, who got it, and whom the server refused, with its words.
    recipients text[] not null,
    accepted text[] not null default '{}',
    refused jsonb not null default '{}',
    state text not null default 'waiting' check (state in ('waiting', 'preparing', 'handing_over', 'sent', 'failed')),
    attempts integer not null default 0,
    doubts integer not null default 0,
    next_attempt_at timestamptz not null default now(),
    -- Until then an attempt belongs to the process that began it.
    leased_until timestamptz,
    last_error text,
    created_at timestamptz not null default now(),
    ended_at timestamptz,
    constraint report_mails_once unique (report_schedule_id, due_at)
);
create index report_mails_open on report_mails (next_attempt_at) where state in ('waiting', 'preparing', 'handing_over');
create index report_mails_by_report on report_mails (saved_report_id, report_mail_id);
create index report_mails_by_schedule on report_mails (report_schedule_id, report_mail_id);

-- Row rules. What is private is seen by its owner and by owners of the installation. A partner sees what partners of its
-- source share, and changes its own. Whoever may not change a report may not have it sent either: it is sent with its
-- owner's rights.
alter table saved_reports enable row level security;
create policy admin_reads on saved_reports for select to waypost_admin using (
    shared or viewer_owns_report(owner_user_id, owner_token_id) or (select viewer_sees_all_reports()));
create policy partner_reads on saved_reports for select to waypost_partner using (
    viewer_owns_report(owner_user_id, owner_token_id)
    or shared and source_id = nullif(current_setting('waypost.source_id', true), '')::bigint);
create policy admin_adds on saved_reports for insert to waypost_admin with check (
    viewer_owns_report(owner_user_id, owner_token_id) or (select viewer_sees_all_reports()));
create policy partner_adds on saved_reports for insert to waypost_partner with check (
    viewer_owns_report(owner_user_id, owner_token_id)
    and source_id = nullif(current_setting('waypost.source_id', true), '')::bigint);
create policy admin_changes on saved_reports for update to waypost_admin using (
    viewer_owns_report(owner_user_id, owner_token_id) or (select viewer_sees_all_reports()));
create policy partner_changes on saved_reports for update to waypost_partner using (
    viewer_owns_report(owner_user_id, owner_token_id)
    and source_id = nullif(current_setting('waypost.source_id', true), '')::bigint);
create policy admin_deletes on saved_reports for delete to waypost_admin using (
    viewer_owns_report(owner_user_id, owner_token_id) or (select viewer_sees_all_reports()));
create policy partner_deletes on saved_reports for delete to waypost_partner using (
    viewer_owns_report(owner_user_id, owner_token_id));

-- Schedules and what was sent follow their report. The policies of saved_reports hold inside these conditions too.
alter table report_schedules enable row level security;
create policy readers on report_schedules for select to waypost_admin, waypost_partner using (
    exists (select from saved_reports r where r.saved_report_id = report_schedules.saved_report_id));
create policy owners on report_schedules for all to waypost_admin, waypost_partner using (
    exists (select from saved_reports r where r.saved_report_id = report_schedules.saved_report_id
        and (viewer_owns_report(r.owner_user_id, r.owner_token_id) or (select viewer_sees_all_reports()))));
alter table report_mails enable row level security;
create policy readers on report_mails for select to waypost_admin, waypost_partner using (
    exists (select from saved_reports r where r.saved_report_id = report_mails.saved_report_id));
create policy owners on report_mails for all to waypost_admin, waypost_partner using (
    exists (select from saved_reports r where r.saved_report_id = report_mails.saved_report_id
        and (viewer_owns_report(r.owner_user_id, r.owner_token_id) or (select viewer_sees_all_reports()))));
