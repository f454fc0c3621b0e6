# An image in which every step of the workflow runs; docs/how_to/deploy.md says how to use it.
#   docker build --tag nas-steps:0.2.0 .
#   docker build --tag nas-steps:0.2.0-cuda --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu128 .
ARG PYTHON=3.12.11-slim-bookworm

FROM python:${PYTHON} AS wheel
WORKDIR /source
COPY . .
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheel .

FROM python:${PYTHON}
# where torch comes from: wheels for the CPU alone are a tenth of those for CUDA
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
# extras of pyproject.toml, with commas between them
ARG EXTRAS=pretrained,slurm,generic,bpe
ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore \
    PYTHONDONTWRITEBYTECODE=1 \
    XDG_CACHE_HOME=/tmp/cache \
    MPLCONFIGDIR=/tmp/matplotlib
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# torch, what else is needed, and the package: from the layer that changes least to the one that changes most
RUN python -m pip install --index-url "${TORCH_INDEX}" 'torch>=2.7,<3' 'torchvision>=0.22,<1'
COPY pyproject.toml /tmp/
RUN python -c "import tomllib; project = tomllib.load(open('/tmp/pyproject.toml', 'rb'))['project']; \
extras = [one for name in '${EXTRAS}'.split(',') if name for one in project['optional-dependencies'][name]]; \
print(*project['dependencies'], *extras, sep='\n')" > /tmp/requirements.txt \
    && python -m pip install --requirement /tmp/requirements.txt \
    && rm /tmp/requirements.txt
COPY --from=wheel /wheel /tmp/wheel
RUN python -m pip install --no-deps /tmp/wheel/*.whl && useradd --uid 1000 --create-home nas
USER 1000:1000
WORKDIR /work
# without words of its own, the image tells what the default experiment would do
CMD ["snakemake", "--snakefile", "/usr/local/share/nas-steps/Snakefile", "--dry-run"]
