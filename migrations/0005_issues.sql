-- What needs an operator's eye, and what replays of postbacks were asked for and did.

-- One row for each subject of a kind: what happens again is counted in it, and opens it again where it was resolved.
create table issues (
    issue_id bigint generated always as identity primary key,
    -- The closed list is tracking.issues.IssueKind.
    kind text not null check (kind ~ '^[a-z]+(-[a-z]+)*$'),
    subject_key text not null check (length(subject_key) between 1 and 300),
    state text not null default 'open' check (state in ('open', 'resolved')),
    title text not null check (length(title) between 1 and 300),
    -- Of the last time it happened, as are the ids below.
    detail jsonb not null default '{}' check (jsonb_typeof(detail) = 'object'),
    merchant_id bigint,
    postback_id uuid,
    conversion_id uuid,
    click_id uuid,
    count bigint not null default 1 check (count >= 1),
    reopened integer not null default 0,
    note text,
    revision integer not null default 1,
    opened_at timestamptz not null default now(),
    last_seen_at timestamptz not null default now(),
    resolved_at timestamptz,
    unique (kind, subject_key),
    check ((state = 'resolved') = (resolved_at is not null))
);
create index issues_open on issues (issue_id) where state = 'open';
create index issues_by_merchant on issues (merchant_id, issue_id);

-- Both programs open issues through this, so that counting and opening again are the same wherever it happens.
create function open_issue(
    new_kind text, new_subject_key text, new_title text, new_detail jsonb,
    new_merchant_id bigint, new_postback_id uuid, new_conversion_id uuid, new_click_id uuid
) returns bigint language sql as $$
    insert into issues as known (kind, subject_key, title, detail, merchant_id, postback_id, conversion_id, click_id)
    values (new_kind, new_subject_key, new_title, new_detail,
        new_merchant_id, new_postback_id, new_conversion_id, new_click_id)
    on conflict (kind, subject_key) do update set
        title = excluded.title, detail = excluded.detail, merchant_id = excluded.merchant_id,
        postback_id = excluded.postback_id, conversion_id = excluded.conversion_id, click_id = excluded.click_id,
        count = known.count + 1, reopened = known.reopened + (known.state = 'resolved')::integer,
        revision = known.revision + (known.state = 'resolved')::integer,
        state = 'open', resolved_at = null, last_seen_at = now()
    returning issue_id
$$;

-- `corrections` is what the edge, or a replay, put right to understand it: [{"field", "from", "to", "rule"}, ...].
-- `claimed` says that its fields are a claim, which the judge decides or has decided; null means: if it was answered
-- 200 or 409, as by the edge of the release before.
-- `overdue_at` is when it had waited for its click for so long that an issue was opened.
alter table postbacks add column corrections jsonb not null default '[]' check (jsonb_typeof(corrections) = 'array');
alter table postbacks add column claimed boolean;
alter table postbacks add column overdue_at timestamptz;

-- A request to read and judge postbacks again. `filter` is what the operator asked for, `after` how far it has come in
-- the order of (received_at, postback_id), `outcomes` how many went from which outcome to which: {"refused": {"recorded": 2}}.
create table replays (
    replay_id bigint generated always as identity primary key,
    filter jsonb not null check (jsonb_typeof(filter) = 'object'),
    dry boolean not null,
    state text not null default 'waiting' check (state in ('waiting', 'running', 'done', 'failed')),
    found bigint,
    examined bigint not null default 0,
    changed bigint not null default 0,
    outcomes jsonb not null default '{}',
    after_received_at timestamptz,
    after_postback_id uuid,
    error text,
    requested_by text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    finished_at timestamptz
);
create index replays_unfinished on replays (updated_at) where state in ('waiting', 'running');

-- What a replay made of a postback, or would have made of it where the replay is dry: the postback before and after.
create table postback_judgements (
    judgement_id bigint generated always as identity primary key,
    replay_id bigint not null references replays,
    postback_id uuid not null references postbacks,
    judged_at timestamptz not null default now(),
    changed boolean not null,
    before jsonb not null,
    after jsonb not null,
    -- Why it stayed as it was, where that needs saying.
    note text,
    unique (replay_id, postback_id)
);
create index postback_judgements_by_postback on postback_judgements (postback_id, judgement_id);
-- By what they are about, for the next part of a dry replay, which does again what the parts before it undid.
create index postback_judgements_by_click on postback_judgements (replay_id, (after ->> 'click_id')) where changed;
create index postback_judgements_by_order on postback_judgements (replay_id, (after ->> 'order_id')) where changed;
