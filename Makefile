# A thin face of the `velodrome` command, which it installs into $(VELODROME_INSTALLS)/cli.
# Settings go in front or behind: SOURCE_PORT=15432 make up, make up DATASET=folder (all of them: env/local.env).
# Paths are relative: make cannot have a blank in a target, and the folder we are in may have one.
# What is set to nothing is not set: an installs folder of "" and "/installs" would be the machine's own.
override PYTHON := $(or $(PYTHON),python3)
override VELODROME_HOME := $(or $(VELODROME_HOME),.velodrome)
override VELODROME_INSTALLS := $(or $(VELODROME_INSTALLS),$(VELODROME_HOME)/installs)
export VELODROME_HOME VELODROME_INSTALLS

# The command's environment has in its name what it is made from, so that a change of it takes nothing from under a
# stack that runs; installs/cli is a link to it.
CLI := $(VELODROME_INSTALLS)/cli
MADE := $(CLI)-$(shell { pwd; cat requirements.txt pyproject.toml; } | cksum | cut -d ' ' -f 1)
TEST := $(VELODROME_INSTALLS)/test
VELODROME := $(MADE)/bin/velodrome
override TESTS := $(or $(TESTS),tests/unit tests/services tests/pipeline)

.DEFAULT_GOAL := help
.PHONY: help doctor up run down status logs psql redshift env backup restore reset clean test s3-tests redshift-suites lint bench

help: ## this list
	@echo "Velodrome: an AWS data pipeline stack on this machine"; echo
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ gsub(/\$$\$$/, "$$", $$2); printf "  make %-9s %s\n", $$1, $$2 }'

export DAG FILE

doctor: $(VELODROME) ## what this machine has and lacks, each with the fix
	@$(VELODROME) doctor

up: $(VELODROME) ## install, start everything, fill the warehouse (DATASET=folder: with your files)
	@$(VELODROME) up

run: $(VELODROME) ## run the pipeline once more and follow it (DAG=name: another)
	@$(VELODROME) run $(if $(DAG),"$$DAG")

status: $(VELODROME) ## each service's state and health
	@$(VELODROME) status

logs: $(VELODROME) ## the logs of all, or of one: make logs SERVICE=redshift; a job's output: make logs JOB=latest
	@$(VELODROME) logs $(SERVICE) $(if $(JOB),--job $(JOB))

psql: $(VELODROME) ## SQL prompt on the source database
	@$(VELODROME) psql

redshift: $(VELODROME) ## SQL prompt on the warehouse
	@$(VELODROME) psql redshift

env: $(VELODROME) ## what a shell needs: eval "$$(make -s env)"
	@$(VELODROME) env

backup: $(VELODROME) ## all state of this copy into one file: make backup FILE=copy.tar.gz
	@$(VELODROME) backup "$$FILE"

restore: $(VELODROME) ## fill a copy that holds no data from such a file: make restore FILE=copy.tar.gz
	@$(VELODROME) restore "$$FILE"

down: $(VELODROME) ## stop everything; data and installs stay
	@$(VELODROME) down

reset: $(VELODROME) ## stop everything and remove the data; installs stay
	@$(VELODROME) reset

clean: ## stop everything and remove data and installs
	@if [ -x $(VELODROME) ]; then $(VELODROME) clean; fi

test: $(VELODROME) ## all tests, on ports and folders of their own (TESTS=path: some)
	@$(VELODROME) install test
	@case "$(TESTS)" in *tests/services*|*tests/pipeline*) .ci/browser $(TEST) ;; esac
	@$(TEST)/bin/python -m pytest $(TESTS)

s3-tests: $(VELODROME) ## other projects' suites on our S3: S3_TESTS=checkout of ceph's s3-tests, S3FS_TESTS=of s3fs
	@$(VELODROME) install test
	@$(TEST)/bin/python tests/s3_suites/run.py --s3-tests "$(S3_TESTS)" --s3fs "$(S3FS_TESTS)"

redshift-suites: $(VELODROME) ## the same on our Redshift: REDSHIFT_CONNECTOR=, SQLALCHEMY_REDSHIFT=, DBT_ADAPTERS=checkout
	@$(VELODROME) install test
	@$(TEST)/bin/python tests/redshift_suites/run.py --connector "$(REDSHIFT_CONNECTOR)" --sqlalchemy "$(SQLALCHEMY_REDSHIFT)" --dbt "$(DBT_ADAPTERS)"

lint: $(VELODROME) ## ruff, mypy, and hadolint for the images
	@$(VELODROME) install test
	@$(TEST)/bin/ruff check . && $(TEST)/bin/ruff format --check . && $(TEST)/bin/mypy
	@git ls-files -z '*Dockerfile*' | xargs -0 -r $(TEST)/bin/hadolint

$(VELODROME):
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"Velodrome needs Python 3.11, 3.12 or 3.13; {sys.executable} is {v[0]}.{v[1]}. Set PYTHON=python3.12, say.")'
	@$(PYTHON) -c 'import ensurepip, venv' || { echo "Python's venv module is missing (Debian: apt install python3-venv)" >&2; exit 1; }
	@echo "Installing the velodrome command into $(MADE)" >&2
	@$(PYTHON) -m venv --clear $(MADE)
	@$(MADE)/bin/python -m pip install --quiet --disable-pip-version-check $$(grep '^uv==' requirements.txt) \
	  || { echo "velodrome: could not install uv. Does the package index answer (PIP_INDEX_URL)?" >&2; rm -rf $(MADE); exit 1; }
	@VIRTUAL_ENV=$(MADE) $(MADE)/bin/uv pip install --quiet -r requirements.txt -e . \
	  || { echo "velodrome: could not install requirements.txt. Does the package index answer (UV_DEFAULT_INDEX)?" >&2; rm -rf $(MADE); exit 1; }
	@[ -L $(CLI) ] || rm -rf $(CLI)
	@ln -sfn $(notdir $(MADE)) $(CLI)
