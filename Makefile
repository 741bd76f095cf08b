# Names for what bin/ does; make itself is not needed.
.DEFAULT_GOAL := help
.PHONY: help up demo test test-fast lint fmt bench bench-pipeline bench-reports bench-deliveries faults

help:  ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' Makefile

up:  ## Run all of Waypost on this machine until Ctrl-C.
	@exec bin/up

# LOG=access.log.gz replays a combined-format access log instead of made-up visits.
demo:  ## Send traffic through the running stack and show the funnel; LOG=FILE replays an access log.
	@exec bin/demo $${LOG:+--log "$$LOG"}

test:  ## Run every test, about ten minutes on two cores.
	@exec bin/test

test-fast:  ## Run the unit tests, under a minute: what one runs while writing.
	@exec bin/test tests/unit

lint:  ## Check format, rules and types.
	@exec bin/lint

fmt:  ## Format the code and mend what ruff can mend.
	@exec bin/fmt

bench:  ## Measure the edge under each WSGI server. Needs wrk, and nginx for the ratio.
	@exec bin/bench

bench-pipeline:  ## Measure how many clicks a second are stored. About five minutes. Needs wrk.
	@exec bin/bench-pipeline

bench-reports:  ## Measure how fast reports are at 100 million clicks. About ten minutes; 25 GB of disk.
	@exec bin/bench-reports

bench-deliveries:  ## Measure what a dead partner costs the others' deliveries. About two minutes.
	@exec bin/bench-deliveries

faults:  ## Break a stack under load and account for every click. About six minutes; SEED=N replays a run.
	@exec bin/faults --save $${SEED:+--seed "$$SEED"}
