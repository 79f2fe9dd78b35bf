# Everything a developer or a newcomer runs. `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help

NODES ?= 2
GPUS ?= 0
# `local` is the cluster of tools/localkube; `current` is the context that kubectl uses now.
CLUSTER ?= local
TORCH ?= cpu
REGISTRY ?=
# Jobs of bench-reconcile.
N ?= 1000

export NODES GPUS CLUSTER REGISTRY TORCH
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/nerf-operator
export PATH := $(CACHE)/bin:$(PATH)
LOCALKUBE := tools/localkube/localkube
IMAGES := tools/images/images.py
OBSERVE = PYTHONPATH=tools:contract:operator:trainer $(PYTHON) -m observe
PYTHON = $$(tools/setup/setup.sh --print-venv)/bin/python

.PHONY: help setup demo test test-unit test-slow test-faults fuzz audit lint docs generate check-generated \
        cluster cluster-down cluster-status images images-load images-push sbom install uninstall \
        bench-trainer bench-poses bench-checkpoint bench-elastic \
        bench-elastic-pods soak bench-scaling bench-allocator bench-reconcile bench-viewer \
        bench-dashboards \
        observe observe-pages

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-16s %s\n", $$1, $$2}' Makefile

setup: ## Install what this machine needs: packages, virtual environment, cluster binary, helm.
	@tools/setup/setup.sh
	@$(LOCALKUBE) build

demo: ## Train the demo scene by a NeRFJob on a Kubernetes cluster, from nothing.
	@tools/demo/demo

test: setup ## Everything that must hold before a change lands.
	@tools/test/run all

test-unit: setup ## The tests that need neither cluster nor torch.
	@tools/test/run unit

test-faults: images ## The fault matrix on the local cluster (40 min): SEED=0, ROW="node-lost all-pods".
	@PYTHONPATH=tools:bench:contract $(PYTHON) -m faults --seed $(or $(SEED),0) $(if $(ROW),--row $(ROW))

test-slow: setup ## The tests that take minutes each.
	@tools/test/run slow

fuzz: setup ## 100,000 hostile cases of every parser (hours), or CASES=1000.
	@NERF_FUZZ_CASES=$(or $(CASES),100000) tools/test/run fuzz

bench-trainer: images ## Quality and speed of the trainer: SCENE=path, or the demo scene (10 min).
	@$(PYTHON) bench/trainer.py $(if $(SCENE),--scene "$(SCENE)")

bench-poses: images ## Speed and exactness of the poses stage on the demo scene.
	@$(PYTHON) bench/poses.py

bench-checkpoint: images ## What snapshots cost a step, and what is left after 500 kills (5 min).
	@disk=$$(mktemp -d -p /var/tmp); trap 'rm -rf "$$disk"' EXIT; chmod 777 "$$disk"; \
	  tools/images/in-trainer -v "$$disk:/disk" -- python3 bench/checkpoint.py --folder /disk

bench-elastic: images ## Pauses, lost steps, kills and weights of an elastic training (25 min, QUICK=1: 4).
	@tools/images/in-trainer -- python3 bench/elastic.py $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY))

bench-elastic-pods: cluster images-load install ## The same in pods on the local cluster: scale, frozen, cut off, killed (20 min): KILLS=30.
	@export KUBECONFIG=$$($(LOCALKUBE) kubeconfig); \
	  PYTHONPATH=tests/e2e:tools:contract $(PYTHON) bench/elastic_pods.py --kills $(or $(KILLS),30)

soak: cluster images-load install ## Random faults on jobs of the local cluster, watched all along: MINUTES=30 SEED=0 EVERY=60.
	@export KUBECONFIG=$$($(LOCALKUBE) kubeconfig); \
	  PYTHONPATH=tests/e2e:tools:contract $(PYTHON) bench/soak.py --minutes $(or $(MINUTES),30) \
	  --seed $(or $(SEED),0) --every $(or $(EVERY),60)

bench-scaling: images ## Efficiency of two processes, and a model of 8 and 64 GPUs (8 min).
	@tools/images/in-trainer -- python3 bench/scaling.py $(if $(ONLY),--only $(ONLY))

bench-allocator: setup ## Completion times of many jobs by the allocator and others (10 min, or QUICK=1).
	@PYTHONPATH=operator:contract $(PYTHON) bench/allocator.py $(if $(QUICK),--quick)

bench-reconcile: setup ## How quick and small the operator is with N=1000 jobs (10 min).
	@PYTHONPATH=tests/operator:operator:contract $(PYTHON) bench/reconcile.py --jobs $(N)

bench-viewer: images ## What an open viewer costs a training, and how soon and how often it shows pictures (7 min).
	@$(PYTHON) bench/viewer.py

bench-dashboards: images ## Dashboards and rules against a job that rescales; pages in out/observe (7 min).
	@PYTHONPATH=tests/operator:tools:operator:contract:trainer $(PYTHON) bench/dashboards.py

observe: setup ## A Prometheus on this machine that watches the cluster, until Ctrl-C.
	@[ "$(CLUSTER)" = current ] || export KUBECONFIG=$$($(LOCALKUBE) kubeconfig); \
	  $(OBSERVE) serve

observe-pages: setup ## Grafana's dashboards as pictures of what it knows, in out/observe.
	@$(OBSERVE) draw $(if $(JOB),--job $(JOB))

audit: setup ## What checkov and kube-score find in the chart, for each profile of values.
	@tools/security/chart

lint: setup ## ruff, mypy, the import layers, generated files, bandit and semgrep.
	@tools/test/run lint

docs: setup ## The documentation as a site, in out/site.
	@tools/test/run docs

generate: setup ## Regenerate the CRD, the manifests and the reference docs from the models.
	@$(PYTHON) tools/generate/generate.py

check-generated: setup ## Fail where a generated file is out of date.
	@$(PYTHON) tools/generate/generate.py --check

images: setup ## Build the images and load them into the local cluster: TORCH=cpu|cuda.
	@$(IMAGES) build --torch $(TORCH)
	@[ "$(CLUSTER)" = current ] || ! $(LOCALKUBE) status >/dev/null 2>&1 || $(IMAGES) load --torch $(TORCH) local

images-load: setup ## Load the images into a cluster on this machine: CLUSTER=local|kind|k3s.
	@$(IMAGES) load --torch $(TORCH) $(CLUSTER)

images-push: setup ## Push the images: REGISTRY=registry.example.com/me.
	@[ -n "$(REGISTRY)" ] || { echo "say where to: make images-push REGISTRY=registry.example.com/me" >&2; exit 2; }
	@$(IMAGES) push --torch $(TORCH) $(REGISTRY)

sbom: images ## Bills of materials (CycloneDX) of both images, in out/sbom.
	@mkdir -p out/sbom; for image in nerf-operator:dev nerf-trainer:$(TORCH); do \
	  $(PYTHON) tools/security/sbom.py "localhost/$$image" >"out/sbom/$${image%:*}.cdx.json" || exit 1; \
	done; ls out/sbom

install: setup ## Install the operator by Helm into the cluster that kubectl talks to.
	@tools/demo/install

uninstall: ## Remove the operator; jobs and their data stay.
	@tools/demo/install --uninstall

cluster: setup ## A local Kubernetes: NODES=2 GPUS=0.
	@$(LOCALKUBE) up --nodes $(NODES) --gpus $(GPUS)

cluster-down: ## Remove the local Kubernetes without a trace.
	@$(LOCALKUBE) down

cluster-status: ## What of the local Kubernetes runs.
	@$(LOCALKUBE) status
