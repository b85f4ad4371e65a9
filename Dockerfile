# One image for every program: `midstream api`, `midstream worker`, `midstream simulator`.
FROM python:3.12-slim AS build
WORKDIR /src
COPY requirements-build.lock ./
# Nothing is resolved, as in the Makefile.
RUN pip install --no-cache-dir --no-deps --require-hashes -r requirements-build.lock && pip check
COPY . .
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels .

FROM python:3.12-slim
WORKDIR /app
COPY requirements.lock ./
RUN pip install --no-cache-dir --no-deps --require-hashes -r requirements.lock
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir --no-deps /wheels/*.whl && pip check && useradd --system --no-create-home midstream
USER midstream
ENV PYTHONUNBUFFERED=1
EXPOSE 8000
ENTRYPOINT ["midstream"]
CMD ["api", "--host", "0.0.0.0"]
