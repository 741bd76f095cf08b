-- Lists of conversions and entries by their filters, a page at a time: each is read from an index that has the order of the
-- list. What is taken back or waits is little, so its indexes cost the other conversions nothing.

create index conversions_by_event on conversions (event, received_at, conversion_id);
create index conversions_by_link on conversions (link_id, received_at, conversion_id);
create index conversions_refused on conversions (status, received_at, conversion_id) where status in ('rejected', 'reversed');
create index conversions_by_reason on conversions (reason, received_at, conversion_id) where reason is not null;

-- Also the entries that name a source or a merchant in the account of the other.
drop index entries_by_source;
drop index entries_by_merchant;
create index entries_by_source on entries (source_id, entry_id);
create index entries_by_merchant on entries (merchant_id, entry_id);
create index entries_unusual on entries (kind, entry_id) where kind not in ('revenue', 'commission');
