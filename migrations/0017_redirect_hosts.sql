-- URLs in parameters of a click: the hosts that they may lead to, the parameter that names the next hop, and the secrets
-- that sign next hops to other hosts, the newest first.
alter table profiles
    add column redirect_hosts text[] not null default '{}',
    add column next_hop_parameter text,
    add column next_hop_secrets text[] not null default '{}';

-- Links whose whole destination is `{name:raw}`. No other destination begins with a brace.
create index links_raw_destination on links (profile_id) where starts_with(destination_url, '{');

create function check_raw_destination() returns trigger language plpgsql as $$
begin
    -- RACE: the profile is locked, so that it does not lose its hosts at the same moment.
    perform from profiles where profile_id = new.profile_id and fallback_url is not null and redirect_hosts <> '{}'
        for share;
    if not found then
        raise exception 'the profile of link % has no fallback_url or no redirect_hosts', new.link_id
            using errcode = 'integrity_constraint_violation', constraint = 'links_raw_destination';
    end if;
    return new;
end $$;
create trigger links_raw_destination before insert or update of destination_url, profile_id on links
    for each row when (starts_with(new.destination_url, '{')) execute function check_raw_destination();

create function check_raw_destinations() returns trigger language plpgsql as $$
begin
    perform from links where profile_id = new.profile_id and starts_with(destination_url, '{');
    if found then
        raise exception 'profile % has links whose destination is a parameter', new.profile_id
            using errcode = 'integrity_constraint_violation', constraint = 'profiles_raw_destinations';
    end if;
    return new;
end $$;
create trigger profiles_raw_destinations before update of fallback_url, redirect_hosts on profiles
    for each row when (new.fallback_url is null or new.redirect_hosts = '{}')
    execute function check_raw_destinations();
