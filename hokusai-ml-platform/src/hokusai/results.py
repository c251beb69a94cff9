"""The gateway's responses, as mappings whose members are attributes too.

`result["model_id"]` and `result.model_id` are the same, and `dict(result)` can be written as JSON.
A member that a newer gateway adds is available in both ways too.

Longer than most files here: one class for each kind of response, in one list.
"""

from __future__ import annotations

from typing import Any, Iterator, Mapping


class Result(Mapping[str, Any]):
    """A JSON object, read-only."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        """Copy the members of a parsed JSON object."""
        self._document = dict(document)

    def __getitem__(self, name: str) -> Any:
        return self._document[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._document)

    def __len__(self) -> int:
        return len(self._document)

    def __getattr__(self, name: str) -> Any:
        # copy and pickle look up special methods before `_document` exists, so names with an
        # underscore must not read it.
        if name.startswith("_") or name not in self._document:
            raise AttributeError(f"{type(self).__name__} has no {name!r}")
        return self._document[name]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._document!r})"


class RegisteredModel(Result):
    """A model in Hokusai's registry.

    A model of another tenant has no `metadata`, `tags` and `warnings`. In a list, a model lacks
    these, `metric_sources` and `attestations`.

    Attributes:
        model_id: Hokusai's id of the model.
        kind: `baseline`, `improved` or `tokenized`.
        mlflow_name: The name of the registered model in MLflow.
        mlflow_version: Its version in MLflow.
        run_id: The MLflow run that logged the model.
        model_uri: MLflow's URI of the model, as it was registered.
        model_type: What the model is for, such as `classification`.
        tenant: The tenant that registered it.
        metrics: Its metrics by name.
        primary_metric: The metric that improvements are judged by.
        higher_is_better: For each metric, whether a higher value is better.
        directions: How that is known: `known` from the name, `said` in a registration, or
            `guessed`.
        metric_sources: For each metric its `source`, which is `seen` (in MLflow) or `given`, and
            the time `at` which that was so.
        metadata: What the caller stored with it.
        private: Whether only its own tenant can see it.
        files: What the gateway knows of its files: `pending`, `claimed`, `witnessed`, `differs` or
            `failed`.
        share_files: Whether every tenant that may read the model may download its files.
        baseline_model_id: The model that it improves on.
        contributors: Whose data is in it: `address`, and `weight_bps`, the share in basis points.
        delta: For each metric `baseline`, `improved` and `delta`, and more.
        token_id: The token of a tokenized model.
        model_name: The name of the token's model in MLflow.
        metric_name: The metric of the token's model.
        baseline_value: The value of that metric to be exceeded.
        tags: The tags of the version in MLflow.
        warnings: What the caller should check; each has `code` and `message`.
        attestations: The hashes of its newest attestations, at most 20.
        created_at: When it was registered, in ISO 8601.
        gone_at: When the gateway noticed that MLflow no longer has its version; None if it has.
        withdrawn: `at` and `reason`, if the registration was withdrawn; otherwise None.
    """

    model_id: str
    kind: str
    mlflow_name: str
    mlflow_version: str
    run_id: str | None
    model_uri: str
    model_type: str | None
    tenant: str
    metrics: dict[str, float]
    primary_metric: str | None
    higher_is_better: dict[str, bool]
    directions: dict[str, str]
    metric_sources: dict[str, dict[str, Any]]
    metadata: dict[str, Any]
    private: bool
    files: str
    share_files: bool
    baseline_model_id: str | None
    contributors: list[dict[str, Any]]
    delta: dict[str, dict[str, Any]]
    token_id: str | None
    model_name: str | None
    metric_name: str | None
    baseline_value: float | None
    tags: dict[str, str]
    warnings: list[dict[str, str]]
    attestations: list[str]
    created_at: str
    gone_at: str | None
    withdrawn: dict[str, Any] | None


class ModelFiles(Result):
    """The files of a registered model.

    Attributes:
        model_id: Hokusai's id of the model.
        state: As `files` of the model.
        reason: How they differ from those that the registration lists, or why they could not be
            read; otherwise None.
        sha256: The root of OpenSSF Model Signing, or None where no files are known.
        sha256_merkle_v1: The digest with which the platform's contracts compare models, or None.
        list_sha256: The SHA-256 of the list of all files, which binds their paths, or None.
        count: How many files there are.
        bytes: The size of all of them together.
        witnessed_at: When the gateway had read them, in ISO 8601, or None.
        share_files: Whether every tenant that may read the model may download them.
        files: Each with `path`, `size` and `sha256`, sorted by path. The mapping has them as
            `items`, as the gateway does.
    """

    model_id: str
    state: str
    reason: str | None
    sha256: str | None
    sha256_merkle_v1: str | None
    list_sha256: str | None
    count: int
    bytes: int
    witnessed_at: str | None
    share_files: bool

    @property
    def files(self) -> list[dict[str, Any]]:
        """The files. `items` is a method of every mapping."""
        found: list[dict[str, Any]] = self["items"]
        return found


class Lineage(Result):
    """The tree of models that starts at the first baseline.

    Attributes:
        root: The id of that baseline.
        nodes: The models, each after its baseline: `model`, `baseline_model_id`, `delta`,
            `contributors` and `attestations`.
        path: The ids from the root to the requested model.
        complete: Whether `nodes` has the whole tree.
        next: The cursor of the next page, or None.
    """

    root: str
    nodes: list[dict[str, Any]]
    path: list[str]
    complete: bool
    next: str | None


class Attestation(Result):
    """A signed statement about a model's metrics, or about an improvement.

    An unsigned one, which the SDK makes where no gateway can be reached, has only `hash`, `bytes`,
    `data` and `note`; the other members are None.

    Attributes:
        hash: SHA-256 of `bytes`, 64 hexadecimal digits.
        data: What was attested: metrics, baseline, delta, contributors, time.
        bytes: The exact text that was hashed, `data` as sorted JSON.
        kind: `witnessed` if the gateway read the metrics from MLflow, `claimed` if it signed the
            caller's numbers, `unsigned` if no gateway has seen it.
        evidence: The same as `kind`.
        signature: EIP-712 typed data over the hash, with its signature.
        eas: An off-chain attestation of the Ethereum Attestation Service over the same hash.
        log: The entry in the transparency log, with its inclusion proof and checkpoint.
        proof: Always None; reserved for a proof of the metrics.
        delta_one: The improvement in percentage points on the primary metric. None for a metric
            that is not a proportion between 0 and 1.
        revoked: The log entry that revoked it, or None.
    """

    hash: str
    data: dict[str, Any]
    bytes: str
    kind: str
    evidence: str
    signature: dict[str, Any] | None
    eas: dict[str, Any] | None
    log: dict[str, Any] | None
    proof: None
    delta_one: float | None
    revoked: dict[str, Any] | None


class Benchmark(Result):
    """A test set that was fixed and logged before models are measured on it.

    Attributes:
        benchmark_id: Its id, hkb_...
        name: Its name.
        dataset_hash: The SHA-256 of its data set.
        dataset_version: The version of the data set.
        split: Which part of the data set.
        rows: How many rows it has.
        metric: The metric that counts.
        metric_family: How improvements are judged: `proportion`, `continuous`,
            `zero_inflated_continuous` or `rank_or_ordinal`.
        higher_is_better: Whether a higher value of the metric is better.
        guardrails: Metrics that an accepted improvement must not make much worse.
        min_examples: How many rows have to be evaluated, at least.
        label_commitment: The commitment to its labels.
        label_holder: Who holds the labels.
        tenant: Who registered it.
        private: Whether only that tenant may see it.
        record_sha256: The SHA-256 of `record`, which its entry in the log has.
        log_index: The place of that entry.
        created_at: When it was registered, in ISO 8601.
        record: The exact text that was hashed; missing in lists.
        labels_released: When the log noted the release of the labels, or None; missing in lists.
    """

    benchmark_id: str
    name: str
    dataset_hash: str
    dataset_version: str
    split: str
    rows: int
    metric: str
    metric_family: str
    higher_is_better: bool
    guardrails: list[dict[str, Any]]
    min_examples: int
    label_commitment: str
    label_holder: str
    tenant: str
    private: bool
    record_sha256: str
    log_index: int
    created_at: str
    record: str
    labels_released: dict[str, Any] | None


class PredictionCommitment(Result):
    """A commitment to the predictions of one model on one benchmark.

    Attributes:
        predictions_id: Its id, hkp_...
        benchmark_id: The benchmark.
        model_id: The model.
        tenant: The model's tenant.
        private: Whether only that tenant may see it.
        commitment: The commitment, 64 hexadecimal digits.
        files: The digests of the model's files, or None.
        record: The exact text that was hashed.
        record_sha256: The SHA-256 of `record`, which its entry in the log has.
        log_index: The place of that entry.
        created_at: When it was committed, in ISO 8601.
    """

    predictions_id: str
    benchmark_id: str
    model_id: str
    tenant: str
    private: bool
    commitment: str
    files: dict[str, Any] | None
    record: str
    record_sha256: str
    log_index: int
    created_at: str


class MintApproval(Result):
    """The approval by a token's holder that improvements by other tenants are minted.

    Attributes:
        id: Its number.
        token_id: The token, in upper case.
        tenant: The holder that approved.
        model_id: The improvement that is approved, or None.
        contributor: The address of the contributor that is approved, or None.
        created_by: Who approved.
        created_at: When, in ISO 8601.
        withdrawn_by: Who withdrew it, or None.
        withdrawn_at: When, or None.
    """

    id: int
    token_id: str
    tenant: str
    model_id: str | None
    contributor: str | None
    created_by: str
    created_at: str
    withdrawn_by: str | None
    withdrawn_at: str | None


class MintRequest(Result):
    """The MintRequest message of the Hokusai contracts, for one improvement.

    Attributes:
        id: Its number.
        attestation: The hash of the attestation that the message names.
        model_id: The improved model.
        tenant: The owner of the improved model.
        token_id: The token, in upper case.
        chain_model_id: The model number on the chain that is bound to the token, as text.
        metric: The metric that improved.
        delta_one: The improvement in percentage points.
        typed_data: The message as EIP-712 typed data.
        digest: The hash that was signed.
        signatures: The attestors' signatures over it that count, by ascending address.
        signers: The address behind each signature.
        required: How many signatures it needs; None while the gateway cannot ask the chain.
        missing: How many more it needs.
        complete: Whether it has enough.
        attestors: All who have signed or may: `address`, `signed`, and whether it `counts`.
        signed_at: When it was signed, in ISO 8601.
        deadline: Until when a contract accepts it, in ISO 8601.
        warnings: What the caller should check; each has `code` and `message`.
    """

    id: int
    attestation: str
    model_id: str
    tenant: str
    token_id: str
    chain_model_id: str
    metric: str
    delta_one: float
    typed_data: dict[str, Any]
    digest: str
    signatures: list[str]
    signers: list[str]
    required: int | None
    missing: int | None
    complete: bool
    attestors: list[dict[str, Any]]
    signed_at: str
    deadline: str
    warnings: list[dict[str, str]]


class Identity(Result):
    """The caller, as the gateway identifies it.

    Attributes:
        principal: The key or wallet, such as `key:1`.
        tenant: The tenant it belongs to.
        scopes: What it may do.
        credential: The kind of credential, such as `key`.
        address: The wallet's address, or None for a key.
        rate_limit: Requests allowed per window.
        expires_at: When the key or token ends, or None.
    """

    principal: str
    tenant: str
    scopes: list[str]
    credential: str
    address: str | None
    rate_limit: int
    expires_at: str | None


class Key(Result):
    """An API key.

    Attributes:
        id: The key's id, by which it is rotated and revoked.
        name: What the key is for.
        state: `active`, `expired`, `revoked` or `rotated`.
        scopes: What it may do.
        hint: The beginning of the key and four characters of it.
        rate_limit: Requests allowed per minute, or None for the gateway's default.
        allowed_networks: The networks that it works from; empty for anywhere.
        may_issue: Whether it creates and rotates keys.
        expires_at: When it ends, or None.
        last_used_at: When it was last used, accurate to a minute, or None.
        key: The key itself, only in the response that creates it.
    """

    id: str
    name: str
    state: str
    scopes: list[str]
    hint: str
    rate_limit: int | None
    allowed_networks: list[str]
    may_issue: bool
    expires_at: str | None
    last_used_at: str | None
    key: str


class RateLimit(Result):
    """The caller's rate limit.

    Attributes:
        limit: Requests allowed per window.
        remaining: Requests left in this window.
        reset: Seconds until the window ends.
        window: The length of a window, in seconds.
        address_limit: Requests per window of all wallets at the caller's address together, or None
            for a key that the operator has issued.
        creation_limit: How many keys, models and so on all wallets at the caller's address may
            create per hour, of each kind, or None.
        quotas: What the tenant has and may have: `kind`, `used`, `quota` and `is_default`.
    """

    limit: int
    remaining: int
    reset: int
    window: int
    address_limit: int | None
    creation_limit: int | None
    quotas: list[dict[str, Any]]


__all__ = [
    "Attestation",
    "Benchmark",
    "Identity",
    "Key",
    "Lineage",
    "MintApproval",
    "MintRequest",
    "ModelFiles",
    "PredictionCommitment",
    "RateLimit",
    "RegisteredModel",
    "Result",
]
