# Names for what bin/ does; make itself is not needed.
.PHONY: up demo test lint bench bench-pipeline bench-deliveries faults

up:
	@exec bin/up

# LOG=access.log.gz replays a combined-format access log instead of made-up visits.
demo:
	@exec bin/demo $${LOG:+--log "$$LOG"}

test:
	@exec bin/test

lint:
	@exec bin/lint

# Needs wrk, and nginx for the ratio.
bench:
	@exec bin/bench

# SEED=n replays a run. About six minutes; exit status 1 unless nothing was lost.
faults:
	@exec bin/faults --save $${SEED:+--seed "$$SEED"}

# Clicks stored a second, behind the edge and through it, and a backlog drained. About five minutes. Needs wrk.
bench-pipeline:
	@exec bin/bench-pipeline

# What a dead partner costs the others' deliveries. About two minutes.
bench-deliveries:
	@exec bin/bench-deliveries
