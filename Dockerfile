# One image for every program: `midstream api`, `midstream worker`, `midstream simulator`.
FROM python:3.12-slim AS build
WORKDIR /src
COPY requirements-dev.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements-dev.lock
COPY . .
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels .

FROM python:3.12-slim
WORKDIR /app
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir --no-deps /wheels/*.whl && useradd --system --no-create-home midstream
USER midstream
ENV PYTHONUNBUFFERED=1
EXPOSE 8000
ENTRYPOINT ["midstream"]
CMD ["api", "--host", "0.0.0.0"]
