# Plain `make` prints this menu. ARGS is passed on where it can be used, for instance
#   make bench ARGS='-workload saturate:listeners=8 -blocks 12 -profile'

.DEFAULT_GOAL := help
.PHONY: help test bench bench-quick bench-full compare micro flame report mutants overhead verify fidelity lint ci build peers clean findings
ARGS ?=

help: ## print this menu
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The limit is for tests that hang: a busy machine may take several times as long.
test: ## run all tests, those of the nested module too
	scripts/each-module go test -timeout 60m $(ARGS) ./...

bench: ## measure reference, ring and client-go under the default workloads (4 minutes)
	@scripts/build
	@.build/lab run $(ARGS)

bench-quick: ## the same in half a minute, with fewer workloads and wider intervals
	@scripts/build
	@.build/lab run -suite quick $(ARGS)

bench-full: ## every figure of the report, in 9 minutes; killed, lab resume goes on
	@scripts/build
	@.build/lab run -suite full $(ARGS)

# Make turns every failure into its own status 2: scripts/compare tells them apart.
compare: ## fail if the working tree is slower than BASE, a git ref (3 to 4 minutes)
	@scripts/compare $(BASE) $(ARGS)

micro: ## measure every buffer and the best Go queues alone, operation by operation
	@scripts/build
	@.build/lab micro $(ARGS)

flame: ## make flame graph pages of the newest run with profiles (make bench ARGS=-profile)
	@scripts/build lab
	@.build/lab flame $(ARGS)

findings: ## measure what the pages under results/findings say, and make them (10 minutes)
	@scripts/build
	@.build/lab finding $(ARGS)

report: ## make the front page of all runs on this machine, and their history
	@scripts/build lab
	@.build/lab index $(ARGS)

mutants: ## slow down 14 places and see whether flame graphs name them (3 to 4 minutes)
	@scripts/build lab
	@.build/lab mutants $(ARGS)

overhead: ## measure what the lab itself costs: lab on against lab off
	@scripts/build lab
	@.build/lab overhead $(ARGS)

verify: ## run concurrent packages 20 times, race detector on, on 1, 2, 4 processors (25 minutes)
	scripts/verify

fidelity: ## compare our calls with the real client-go's over 20,000 random histories (2 to 3 minutes)
	cd bench/peers && go test -timeout 60m ./fidelity -histories 20000 $(ARGS)

lint: ## gofmt, go vet, staticcheck
	scripts/lint

ci: ## what CI runs
	.ci/run

build: ## build lab and the worker with outside contestants into .build/
	@scripts/build

peers: ## build only the worker with outside contestants
	@scripts/build peers

clean: ## remove what was built; results stay
	rm -rf .build
