-- Tags and notes of links.

alter table links
    -- In small letters, sorted and without repetition, as the API stores them.
    add column tags text[] not null default '{}' check (array_position(tags, null) is null),
    add column notes text not null default '';
-- For lists and changes of all links that have a tag.
create index links_by_tag on links using gin (tags);
