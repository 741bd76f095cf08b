# Names for what bin/ does; make itself is not needed.
.PHONY: up demo test lint bench

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
