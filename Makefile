# make train   a virtual environment, the installation, and a first model on handwritten digits
# make bench   the comparison with Keras and, with TORCH=path/to/python, PyTorch: about half an hour
# make gpu     whether everything works on the GPUs of this machine: a table to paste, in about ten minutes
# make test    the same environment, and the whole test suite
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

# Some machines ask Python to keep no bytecode; each of the tests' many processes would compile dlrun anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup train test check fix docs soak bench gpu constraints clean

setup: $(INSTALLED)

# Without compiled bytecode every `import tensorflow` takes 10 s longer. pip compiles on one core, compileall on all of
# them; what cannot be compiled (templates, tests for other versions of Python) is never imported.
$(INSTALLED): pyproject.toml constraints.txt
	@echo "installing dlrun and its dependencies into $(VENV) (TensorFlow is 600 MB; about a minute)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "dlrun needs Python 3.11 or newer; say which with: make PYTHON=python3.12 train"; exit 2; }
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --no-compile --constraint constraints.txt --editable '.[dev]'
	@$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true
	@touch $(INSTALLED)

train: $(INSTALLED)
	@$(BIN)/dlrun train configs/digits_cnn.yaml

# tests/conftest.py brings the slow files to the front, so that none of them is the last and alone.
test: $(INSTALLED)
	@$(BIN)/python -m pytest -m "not soak" --numprocesses 2 --dist loadfile --no-loadscope-reorder

check: $(INSTALLED)
	@$(BIN)/ruff format --check --quiet . || { echo "not formatted: make fix"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary

fix: $(INSTALLED)
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format --quiet .

# The keys in docs/config.md, from the components' own descriptions
docs: $(INSTALLED)
	@$(BIN)/python docs/write_config_reference.py

soak: $(INSTALLED)
	@$(BIN)/python -m pytest -m soak

bench: $(INSTALLED)
	@$(BIN)/python tests/benchmarks/start_up.py
	@$(BIN)/python tests/benchmarks/architectures.py
	@$(BIN)/python tests/benchmarks/peers.py --markdown runs/bench.md $(if $(TORCH),--torch $(TORCH))

# With DEVICE=cpu a rehearsal. Where cuDNN is neither on the system nor installed, TensorFlow's CUDA packages are tried.
gpu: $(INSTALLED)
	@$(if $(filter cpu,$(DEVICE)),,$(BIN)/python -c 'import nvidia.cudnn' 2>/dev/null || \
	  $(BIN)/python -c 'import ctypes; ctypes.CDLL("libcudnn.so.9")' 2>/dev/null || \
	  $(PIP) install --constraint constraints.txt --editable '.[dev,gpu]' || \
	  echo "TensorFlow's CUDA packages cannot be installed; the table will name what is missing")
	@$(if $(TORCH),DLRUN_BENCH_TORCH=$(TORCH)) $(BIN)/python tests/benchmarks/gpu.py --device $(or $(DEVICE),gpu) --markdown runs/gpu.md

# The versions that the tests run with; afterwards run them: make clean test
constraints:
	@$(PYTHON) -m venv .venv-constraints
	@.venv-constraints/bin/python -m pip install --quiet --upgrade --editable '.[dev]'
	@{ echo "# The versions that the tests ran with; make constraints writes this file."; \
	   .venv-constraints/bin/python -m pip freeze --exclude-editable; } > constraints.txt
	@rm -rf .venv-constraints

clean:
	@rm -rf $(VENV) .venv-constraints build dist src/*.egg-info .pytest_cache .mypy_cache .ruff_cache
	@find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
