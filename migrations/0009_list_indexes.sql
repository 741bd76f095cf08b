-- Lists of deliveries by their filters, and of what a replay came to, a page at a time: each is read from an index that has
-- the order of the list. Failed deliveries and tests are few, so their indexes cost the other deliveries nothing.

create index deliveries_by_outgoing_postback on deliveries (outgoing_postback_id, planned_at, delivery_id);
create index deliveries_by_event on deliveries (event, planned_at, delivery_id);
create index deliveries_failed on deliveries (planned_at, delivery_id) where state = 'failed';
create index deliveries_tests on deliveries (planned_at, delivery_id) where is_test;
create index postback_judgements_by_replay on postback_judgements (replay_id, judgement_id);
