"""Settings are read from the environment; an invalid one is reported with its name."""

from ipaddress import ip_network

import pytest
from pydantic import SecretStr

from app.core.errors import StartupError
from app.core.settings import MAX_SECONDS, MIN_PEPPER, Settings, load_settings
from tests.support.plain_words import what_is_not_plain

Patch = pytest.MonkeyPatch
# Values that are wrong for most settings.
WRONG = ["wrong", "-1", "0", "1.5", "1e999", "9" * 5000, "a,b", "[]", "{}", "http://[", "://@:x/"]


def load(monkeypatch: Patch, **environment: str) -> Settings:
    """The settings of an environment; names without the prefix."""
    for name, value in environment.items():
        monkeypatch.setenv(f"HOKUSAI_{name}", value)
    return load_settings()


def refused(monkeypatch: Patch, name: str, value: str) -> str:
    """The message with which one invalid setting is refused."""
    with pytest.raises(StartupError) as caught:
        load(monkeypatch, **{name: value})
    message = str(caught.value)
    assert "\n" not in message
    return message


# --- reading ---


def test_values_are_read_from_the_environment(monkeypatch: Patch) -> None:
    settings = load(
        monkeypatch, PORT="9000", TENANCY="shared", ACCESS_LOG="all", BODY_TIMEOUT="2.5"
    )
    assert (settings.port, settings.tenancy, settings.access_log) == (9000, "shared", "all")
    assert settings.body_timeout == 2.5


def test_an_empty_variable_counts_as_not_set(monkeypatch: Patch) -> None:
    settings = load(monkeypatch, KEY_PEPPER="", DATABASE_URL="", REDIS_URL="", PORT="")
    assert settings.key_pepper is None
    assert settings.database_url is None
    assert settings.redis_url is None
    assert settings.port == 8000


MAINNET_VERIFIER = "0xE9D40B96703391464bc6b0ea0b4F0404399AaCE7"
# A valid value of each setting that has no default; the others have theirs.
VALID = {
    "siwe_chain_ids": "1,8453",
    "public_url": "https://registry.example",
    "trusted_proxies": "10.0.0.0/8",
    "cors_origins": "https://one.example",
    "database_url": "postgresql://u:p@h/d",
    "migration_database_url": "postgresql://u:p@h/d",
    "database_direct_url": "postgresql://u:p@h/d",
    "mlflow_url": "http://mlflow:5000",
    "mlflow_authorization": "Basic abc",
    "mlflow_ca_file": "/etc/ca.pem",
    "redis_url": "redis://h",
    "rpc_url": "https://node.example/key",
    "key_pepper": "p" * MIN_PEPPER,
    "retired_peppers": "first-pepper,second-pepper",
    "attestor_key": "5e" * 32,
    "attestor_key_file": "/run/secrets/attestor",
    "attestor_keystore": "/run/secrets/keystore",
    "attestor_keystore_password": "password",
    "retired_attestors": "0x" + "12" * 20,
    "mint_signers": "0x" + "12" * 20,
    "mint_signatures": "1",
    "chain": "mainnet",
    "witnesses": "w.example+00000000+BAAA https://w.example/log",
    "metrics_port": "9100",
}


@pytest.mark.parametrize("name", Settings.model_fields)
@pytest.mark.parametrize(("before", "after"), [("", "\n"), ("", "\r\n"), ("\t ", " \n\n")])
def test_white_space_around_a_value_is_removed(
    monkeypatch: Patch, name: str, before: str, after: str
) -> None:
    value = VALID.get(name) or str(Settings.model_fields[name].default)
    monkeypatch.setenv(f"HOKUSAI_{name.upper()}", value)
    exact = getattr(load_settings(), name)
    monkeypatch.setenv(f"HOKUSAI_{name.upper()}", before + value + after)
    assert getattr(load_settings(), name) == exact


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_variable_of_white_space_counts_as_not_set(monkeypatch: Patch, name: str) -> None:
    monkeypatch.setenv(f"HOKUSAI_{name.upper()}", " \n")
    assert load_settings() == Settings.model_construct()


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_newline_within_a_value_is_refused(monkeypatch: Patch, name: str) -> None:
    message = refused(monkeypatch, name.upper(), "secret\nsecond")
    assert message == f"HOKUSAI_{name.upper()}: must be one line, without tabs"


def test_lists_are_separated_by_commas(monkeypatch: Patch) -> None:
    settings = load(
        monkeypatch,
        TRUSTED_PROXIES="10.0.0.0/8, fd00::/8,::ffff:192.0.2.0/120",
        CORS_ORIGINS=" https://one.example ,http://two.example",
        RETIRED_PEPPERS="first-pepper,second-pepper",
        RETIRED_ATTESTORS="0x" + "12" * 20,
    )
    # A network of IPv4-mapped addresses is one of IPv4, as the addresses of clients are.
    networks = "10.0.0.0/8", "fd00::/8", "192.0.2.0/24"
    assert settings.trusted_proxies == tuple(map(ip_network, networks))
    assert settings.cors_origins == ("https://one.example", "http://two.example")
    peppers = [pepper.get_secret_value() for pepper in settings.retired_peppers]
    assert peppers == ["first-pepper", "second-pepper"]
    assert settings.retired_attestors == ("0x" + "12" * 20,)


def test_settings_cannot_be_changed_afterwards() -> None:
    settings = Settings()
    with pytest.raises(ValueError, match="frozen"):
        setattr(settings, "port", 1)  # noqa: B010  # a type checker refuses the assignment


def test_secrets_are_not_shown() -> None:
    settings = Settings(
        database_url=SecretStr("postgresql://u:hidden@h/d"),
        redis_url=SecretStr("redis://:hidden@h"),
        key_pepper=SecretStr("hidden-pepper-of-the-test"),
        mlflow_authorization=SecretStr("Basic hidden"),
    )
    assert "hidden" not in repr(settings)
    assert "hidden" not in settings.model_dump_json()


# --- refusals ---


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PORT", "eighty", "must be a whole number from 0 to 65535"),
        ("PORT", "65536", "must be a whole number from 0 to 65535"),
        ("WORKERS", "0", "must be a whole number of at least 1"),
        ("BODY_TIMEOUT", "0", "must be a number above 0"),
        ("BODY_TIMEOUT", "inf", "must be finite: a number above 0"),
        ("BODY_TIMEOUT", str(MAX_SECONDS + 1), f"of at most {MAX_SECONDS}"),
        ("TOKEN_SECONDS", "899", "must be a whole number from 900 to 3600"),
        ("TOKEN_SECONDS", "3601", "must be a whole number from 900 to 3600"),
        ("UPSTREAM_TENANT_SHARE", "1.1", "must be a number above 0 and of at most 1"),
        ("TENANCY", "none", "must be one of workspaces, shared"),
        ("DIRECT_ARTIFACTS", "maybe", "must be true or false"),
        ("LOG_ORIGIN", "two words", "must be a name without spaces and plus signs"),
        ("TRUSTED_PROXIES", "10.0.0.1/8", "has host bits set"),
        ("TRUSTED_PROXIES", "everybody", "'everybody'"),
        ("CORS_ORIGINS", "one.example", "write https://one.example"),
        ("VERIFYING_CONTRACT", "0x12", "'0x12' is not a valid Ethereum address"),
        ("RETIRED_ATTESTORS", "0x12", "'0x12' is not a valid Ethereum address"),
        ("MLFLOW_AUTHORIZATION", "Basic abc\nX-Admin: yes", "must be one line"),
        ("METRICS_PORT", "8000", "must be another port than HOKUSAI_PORT"),
    ],
)
def test_an_invalid_value_is_refused_with_the_reason(
    monkeypatch: Patch, name: str, value: str, words: str
) -> None:
    message = refused(monkeypatch, name, value)
    assert f"HOKUSAI_{name}" in message
    assert words in message


@pytest.mark.parametrize("name", ["MLFLOW_URL", "PUBLIC_URL"])
@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("example.org", "an http:// or https:// URL with a host"),
        ("ftp://example.org", "an http:// or https:// URL with a host"),
        ("http://", "an http:// or https:// URL with a host"),
        ("http://exämple.org", "must be ASCII"),
        ("http://" + "a" * 64 + ".org", "1 to 63 characters"),
        ("http://a..org", "1 to 63 characters"),
        ("http://exa mple.org", "a valid host, and without spaces"),
        ("http://example.org/a b", "a valid host, and without spaces"),
        ("http://[v1.a]", "a valid host"),
        ("http://exam\nple.org", "must be one line"),
        ("http://example.org:port", "must be a URL with a valid host and port"),
        ("http://example.org:99999", "must be a URL with a valid host and port"),
        ("http://example.org/?a=b", "no user, password, query or fragment"),
        ("http://example.org/#a", "no user, password, query or fragment"),
        ("http://user:hidden@example.org", "no user, password, query or fragment"),
    ],
)
def test_an_invalid_url_is_refused(monkeypatch: Patch, name: str, value: str, words: str) -> None:
    message = refused(monkeypatch, name, value)
    assert message.startswith(f"HOKUSAI_{name}: ")
    assert words in message
    assert "hidden" not in message


def test_mlflow_may_listen_on_a_unix_socket(monkeypatch: Patch) -> None:
    url = "unix:///srv/hokusai/run/mlflow.sock"
    assert load(monkeypatch, MLFLOW_URL=url).mlflow_url == url
    assert "absolute path of a socket" in refused(monkeypatch, "MLFLOW_URL", "unix://run/mlflow")
    assert "or unix:// and a path" in refused(monkeypatch, "MLFLOW_URL", "run/mlflow")
    monkeypatch.delenv("HOKUSAI_MLFLOW_URL")
    assert "http:// or https://" in refused(monkeypatch, "PUBLIC_URL", url)


def test_a_url_has_no_slash_at_its_end(monkeypatch: Patch) -> None:
    assert load(monkeypatch, MLFLOW_URL="https://mlflow.example/base/").mlflow_url == (
        "https://mlflow.example/base"
    )


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_a_database_url_of_any_driver_becomes_one_for_asyncpg(
    monkeypatch: Patch, scheme: str
) -> None:
    url = load(monkeypatch, DATABASE_URL=f"{scheme}://u:p@h/d").database_url
    assert url is not None
    assert url.get_secret_value() == "postgresql+asyncpg://u:p@h/d"


@pytest.mark.parametrize("value", ["mysql://u:hidden@h/d", "postgresql://", "hidden"])
def test_another_database_url_is_refused(monkeypatch: Patch, value: str) -> None:
    message = refused(monkeypatch, "DATABASE_URL", value)
    assert message == "HOKUSAI_DATABASE_URL: must be a postgresql:// URL"


@pytest.mark.parametrize("value", ["redis://h", "rediss://:p@h:1/2", "unix:///run/redis.sock"])
def test_a_redis_url_may_be_tcp_tls_or_a_socket(monkeypatch: Patch, value: str) -> None:
    url = load(monkeypatch, REDIS_URL=value).redis_url
    assert url is not None
    assert url.get_secret_value() == value


@pytest.mark.parametrize("value", ["http://:hidden@h", "redis://", "hidden"])
def test_another_redis_url_is_refused(monkeypatch: Patch, value: str) -> None:
    message = refused(monkeypatch, "REDIS_URL", value)
    assert message == "HOKUSAI_REDIS_URL: must be a redis://, rediss:// or unix:// URL"


def test_a_short_pepper_is_refused(monkeypatch: Patch) -> None:
    pepper = "p" * (MIN_PEPPER - 1)
    message = refused(monkeypatch, "KEY_PEPPER", pepper)
    assert message.startswith(f"HOKUSAI_KEY_PEPPER: must have at least {MIN_PEPPER} characters")
    assert pepper not in message
    assert load(monkeypatch, KEY_PEPPER="p" * MIN_PEPPER).key_pepper is not None


@pytest.mark.parametrize("name", ["WORKERS", "REPLICAS"])
def test_several_processes_need_redis(monkeypatch: Patch, name: str) -> None:
    message = refused(monkeypatch, name, "2")
    assert message.startswith(f"HOKUSAI_{name} > 1 needs HOKUSAI_REDIS_URL")
    load(monkeypatch, **{name: "2", "REDIS_URL": "redis://127.0.0.1"})


def test_every_invalid_setting_is_named_at_once(monkeypatch: Patch) -> None:
    with pytest.raises(StartupError) as caught:
        load(monkeypatch, PORT="eighty", TENANCY="none")
    assert "HOKUSAI_PORT: " in str(caught.value)
    assert "; HOKUSAI_TENANCY: " in str(caught.value)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_an_invalid_setting_is_named_in_plain_words(monkeypatch: Patch, name: str) -> None:
    variable = f"HOKUSAI_{name.upper()}"
    for value in WRONG:
        monkeypatch.setenv(variable, value)
        try:
            load_settings()
        except StartupError as error:
            message = str(error)
            assert variable in message, value
            assert what_is_not_plain(message) == [], value
            assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("PORT", "eighty", "HOKUSAI_PORT: must be a whole number from 0 to 65535"),
        ("WORKERS", "0", "HOKUSAI_WORKERS: must be a whole number of at least 1"),
        ("TENANCY", "none", "HOKUSAI_TENANCY: must be one of workspaces, shared"),
        ("DIRECT_ARTIFACTS", "maybe", "HOKUSAI_DIRECT_ARTIFACTS: must be true or false"),
        ("LOG_ORIGIN", "two words", "HOKUSAI_LOG_ORIGIN: must be a name without spaces and plus"),
        ("MLFLOW_URL", "http://host:99999", "HOKUSAI_MLFLOW_URL: must be a URL with a valid host"),
        ("BODY_TIMEOUT", "inf", "HOKUSAI_BODY_TIMEOUT: must be finite: a number above 0"),
    ],
)
def test_a_message_begins_with_the_setting_and_says_what_is_valid(
    monkeypatch: Patch, name: str, value: str, message: str
) -> None:
    assert refused(monkeypatch, name, value).startswith(message)


def test_a_password_in_an_invalid_url_is_not_shown(monkeypatch: Patch) -> None:
    # U+2100 becomes a/c, which would move the end of the host; Python's error shows all of it.
    for name, scheme in (("REDIS_URL", "redis"), ("MLFLOW_URL", "http")):
        monkeypatch.setenv(f"HOKUSAI_{name}", f"{scheme}://u:hidden@host\u2100/")
        with pytest.raises(StartupError, match=name) as caught:
            load_settings()
        assert "hidden" not in str(caught.value)
        monkeypatch.delenv(f"HOKUSAI_{name}")


# --- what follows from them ---


def test_a_chain_is_set_by_its_name(monkeypatch: Patch) -> None:
    settings = load(monkeypatch, CHAIN="mainnet", VERIFYING_CONTRACT=MAINNET_VERIFIER.lower())
    assert settings.chain_id == 1
    assert settings.verifying_contract == MAINNET_VERIFIER
    assert settings.model_registry == "0x0a09B52fE6b55dE42676b3F68BED76793FB9FEe9"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CHAIN_ID", "11155111"),
        ("VERIFYING_CONTRACT", "0x" + "0" * 40),
        ("MODEL_REGISTRY", "0x" + "12" * 20),
        ("EAS_CONTRACT", "0x" + "12" * 20),
        ("EAS_VERSION", "1.3.0"),
    ],
)
def test_a_setting_that_contradicts_the_named_chain_is_refused(
    monkeypatch: Patch, name: str, value: str
) -> None:
    monkeypatch.setenv("HOKUSAI_CHAIN", "mainnet")
    message = refused(monkeypatch, name, value)
    assert f"HOKUSAI_{name} is {value}, and HOKUSAI_CHAIN=mainnet" in message


def test_an_unknown_chain_is_refused(monkeypatch: Patch) -> None:
    assert "must be mainnet" in refused(monkeypatch, "CHAIN", "ropsten")


def test_as_many_signatures_are_required_as_there_are_signers(monkeypatch: Patch) -> None:
    # One address in two casings is one signer, and the gateway itself is another.
    signers = ",".join(("0x" + "ab" * 20, "0x" + "AB" * 20))
    monkeypatch.setenv("HOKUSAI_MINT_SIGNERS", signers)
    assert load(monkeypatch, MINT_SIGNATURES="2").mint_signatures == 2
    assert "only 2 can sign" in refused(monkeypatch, "MINT_SIGNATURES", "3")


def test_the_default_settings_have_no_risks() -> None:
    assert Settings().risks == []


def test_settings_that_endanger_data_are_risks() -> None:
    (shared,) = Settings(tenancy="shared").risks
    assert shared.startswith("HOKUSAI_TENANCY=shared: every tenant sees")
    (lease,) = Settings(registration_lease=60, upstream_read_timeout=60).risks
    assert lease.startswith("HOKUSAI_REGISTRATION_LEASE=60: ")
    assert "HOKUSAI_UPSTREAM_READ_TIMEOUT (60)" in lease


@pytest.mark.parametrize(
    ("settings", "hosts"),
    [
        ({"public_url": "https://registry.example:8443/base"}, {"registry.example:8443"}),
        ({"port": 8123}, {"localhost:8123", "127.0.0.1:8123", "[::1]:8123"}),
        ({"host": "localhost"}, {"localhost:8000", "127.0.0.1:8000", "[::1]:8000"}),
        ({"host": "::1"}, {"localhost:8000", "127.0.0.1:8000", "[::1]:8000"}),
        ({"host": "0.0.0.0"}, set()),  # noqa: S104
        ({"host": "registry.example"}, set()),
        ({"trusted_proxies": "10.0.0.0/8"}, set()),
    ],
)
def test_the_hosts_of_siwe_messages(settings: dict[str, object], hosts: set[str]) -> None:
    assert Settings(**settings).public_hosts == hosts  # type: ignore[arg-type]
