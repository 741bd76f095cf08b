-- Whose a link was when a click was made. Links are pointed to another merchant's offer, and given to another source, while
-- clicks from before go on converting.

create table link_history (
    link_id bigint not null references links on delete cascade,
    -- What it was until then.
    until timestamptz not null,
    merchant_id bigint not null,
    source_id bigint,
    primary key (link_id, until)
);

create function keep_link_history() returns trigger language plpgsql as $$
begin
    -- Of two changes in one transaction the first has what was before.
    insert into link_history (link_id, until, merchant_id, source_id)
        values (old.link_id, now(), old.merchant_id, old.source_id) on conflict do nothing;
    return null;
end
$$;
create trigger link_history_is_kept after update of merchant_id, source_id on links for each row
    when (new.merchant_id <> old.merchant_id or new.source_id is distinct from old.source_id)
    execute function keep_link_history();
