-- How old the rate was that an amount was converted by, and which rate a commission waits for.

-- Days from the rate's date to the day of the conversion, both in UTC. Null where nothing was converted.
alter table entries add column rate_age_days integer check (rate_age_days >= 0);
alter table bookings add column rate_age_days integer check (rate_age_days >= 0);

-- Written by the database, so that it is there whoever books. A conversion that turns out to have been received earlier
-- than its rate, as by a postback that was stored late, keeps the rate and counts as of its day.
create function note_rate_age() returns trigger language plpgsql as $$
begin
    new.rate_age_days := null;
    if new.rate_date is not null then
        select greatest(0, (c.received_at at time zone 'UTC')::date - new.rate_date) into new.rate_age_days
            from conversions c where c.conversion_id = new.conversion_id;
    end if;
    return new;
end
$$;
create trigger entry_has_rate_age before insert on entries for each row execute function note_rate_age();
create trigger booking_has_rate_age before insert or update of rate_date on bookings for each row
    execute function note_rate_age();

-- What was booked before. Nothing but this column changes, which the ledger would refuse.
alter table entries disable trigger entries_are_kept;
update entries e set rate_age_days = greatest(0, (c.received_at at time zone 'UTC')::date - e.rate_date)
    from conversions c where c.conversion_id = e.conversion_id and e.rate_date is not null;
alter table entries enable trigger entries_are_kept;
update bookings set rate_date = rate_date where rate_date is not null;

-- The rate that a postponed commission waits for, as {source}:{target}:{day}, like the subject of its issue. So that a
-- hundred thousand that wait for a rate cost a look at the rate, and not a booking each. Null: not known, as of what a
-- worker of the release before has postponed.
alter table bookings add column missing_rate text;
create index bookings_postponed on bookings (missing_rate, conversion_id) where postponed;
create index bookings_to_renew on bookings (conversion_id) where renew;
drop index bookings_unfinished;
