from __future__ import annotations

import ipaddress
import re
from pathlib import Path

import pytest

from doradura.settings import OPTIONS, Address, AlertChat, Settings, SettingsError, read_settings

TOKEN = "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1"
DOCS = Path(__file__).parents[2] / "docs" / "settings.md"


def read(**values: str) -> Settings:
    """Settings of a token and these values."""
    return read_settings({"DORADURA_TELEGRAM_TOKEN": TOKEN} | {f"DORADURA_{k}": v for k, v in values.items()})


def faults(**values: str) -> tuple[str, ...]:
    """What is wrong with these values."""
    with pytest.raises(SettingsError) as caught:
        read(**values)
    return caught.value.faults


def test_docs_have_every_option_in_order() -> None:
    """The table of docs/settings.md is the table of options: same rows, same order, same words."""
    rows = re.findall(r"^\| (DORADURA_\S+)( \(secret\))? \| (.*?) \| (.*) \|$", DOCS.read_text(), re.MULTILINE)
    assert rows == [(o.name, " (secret)" if o.secret else "", o.default, o.meaning) for o in OPTIONS]


def test_defaults() -> None:
    """With a token alone everything else has the value the table promises."""
    settings = read()
    assert settings.mode == "telegram"
    assert settings.telegram_api_url == "https://api.telegram.org"
    assert settings.telegram_local is False
    assert settings.admin_ids == frozenset()
    assert settings.data_dir == Path("data").absolute()
    assert settings.database_path == settings.data_dir / "doradura.db"
    assert settings.http_bind == Address("0.0.0.0", 9090)
    assert settings.metrics_basic_auth is None
    assert settings.webhook_token is None
    assert settings.trusted_proxies == ()
    assert settings.allowed_private == ()
    assert 1 <= settings.concurrent_downloads <= 64
    assert (settings.queue_limit, settings.drain_seconds, settings.watchdog_seconds) == (1000, 25, 600)
    assert (settings.prometheus_url, settings.alertmanager_url) == ("http://127.0.0.1:9091", "http://127.0.0.1:9093")
    assert str(settings.stack_grafana) == "127.0.0.1:3000"
    assert str(settings.sandbox_bind) == "127.0.0.1:8082"
    assert (settings.log_format, settings.log_level) == ("text", "info")
    assert settings.upload_limit_bytes == 50 * 1024 * 1024
    private = [ipaddress.ip_address(text) for text in ("127.0.0.1", "::1", "10.9.8.7", "192.168.1.1", "172.31.0.1")]
    assert all(any(address in network for network in settings.allowed_networks) for address in private)
    assert not any(ipaddress.ip_address("8.8.8.8") in network for network in settings.allowed_networks)


def test_the_sandbox_has_a_data_directory_of_its_own(tmp_path: Path) -> None:
    """Without a setting the sandbox's data lie apart from production's; a setting names either's."""
    assert read_settings({}, sandbox=True).data_dir == Path("data-sandbox").absolute()
    assert read_settings({"DORADURA_DATA_DIR": str(tmp_path)}, sandbox=True).data_dir == tmp_path


def test_values_are_read(tmp_path: Path) -> None:
    """Every kind of value has the type the rest of the program uses."""
    cookies = tmp_path / "cookies.txt"
    cookies.write_text("# Netscape HTTP Cookie File\n")
    settings = read(
        TELEGRAM_API_URL="http://127.0.0.1:8081/",
        TELEGRAM_LOCAL="Yes",
        ADMIN_IDS=" 12, 34,12 ",
        ALERT_CHATS="-1001234567890/5, 42,-1001234567890/1,-1001234567890,42",
        DATA_DIR=str(tmp_path / "new"),
        DATABASE_URL="sqlite:///other.db",
        HTTP_BIND="[::1]:0",
        METRICS_BASIC_AUTH="prometheus:a:b",
        ALLOWED_NETWORKS="all",
        TRUSTED_PROXIES="10.0.0.1, fd00::/8",
        WEBHOOK_TOKEN="abc/def==",
        CONCURRENT_DOWNLOADS="3",
        DOWNLOAD_PROXY="socks5://u:p@proxy:1080",
        COOKIES_FILE=str(cookies),
        POT_PROVIDER="http://127.0.0.1:4416/",
        ALLOWED_PRIVATE="localhost:8080,[::1]:80, 10.0.0.0/8",
        LOG_FORMAT="JSON",
        LOG_LEVEL="Debug",
    )
    assert settings.telegram_api_url == "http://127.0.0.1:8081"
    assert settings.upload_limit_bytes == 2000 * 1024 * 1024
    assert settings.admin_ids == frozenset({12, 34})
    assert settings.alert_chats == (AlertChat(-1001234567890, 5), AlertChat(42), AlertChat(-1001234567890))
    assert list(map(str, settings.told_chats)) == ["-1001234567890/5", "42", "-1001234567890"]
    assert read(ADMIN_IDS="34,12").told_chats == (AlertChat(12), AlertChat(34))
    assert settings.data_dir == tmp_path / "new"
    assert not settings.data_dir.exists()
    assert settings.database_path == tmp_path / "new" / "other.db"
    assert (settings.http_bind, str(settings.http_bind)) == (Address("::1", 0), "[::1]:0")
    assert settings.metrics_basic_auth == "prometheus:a:b"
    assert settings.allowed_networks == (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
    assert settings.trusted_proxies == (ipaddress.ip_network("10.0.0.1/32"), ipaddress.ip_network("fd00::/8"))
    assert settings.concurrent_downloads == 3
    assert (settings.cookies_file, settings.pot_provider) == (cookies, "http://127.0.0.1:4416")
    assert settings.allowed_private == ("localhost:8080", "[::1]:80", "10.0.0.0/8")
    assert (settings.log_format, settings.log_level) == ("json", "debug")


BAD = {
    "TELEGRAM_TOKEN": ["abc", "12:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1", "123:short", f"{TOKEN} ", f"'{TOKEN}'"],
    "TELEGRAM_API_URL": ["api.telegram.org", "ftp://x", "http://", "https://x:99999", "http://[::1", "http://x/?a=b"],
    "TELEGRAM_LOCAL": ["maybe", "2"],
    "ADMIN_IDS": ["me", "-5", "0", "1;2", ",", "1.5", "99999999999999999"],
    "ALERT_CHATS": ["@channel", "0", "-0", "1/0", "1/2/3", "1/-2", "9999999999999999", "1/9999999999", "x", "1 2"],
    "DATA_DIR": [f"{__file__}/data", "a\nb"],
    "DATABASE_URL": ["mysql://x", "sqlite:////etc/x.db", "sqlite:///../x.db", "postgres://x", "postgresql://u:p@h/d"],
    "HTTP_BIND": ["9090", "x", "1.2.3:80", "::1:80", "[::1]", "0.0.0.0:65536", ":9090", "a b:1", "0.0.0.0:-1"],
    "METRICS_BASIC_AUTH": ["user", ":password", "user:", "us\ner:x"],
    "ALLOWED_NETWORKS": ["everybody", "10.0.0.1/8", "10.0.0.0/33", ","],
    "TRUSTED_PROXIES": ["all", "proxy.example"],
    "WEBHOOK_TOKEN": ["two words", "пароль", "a\nb"],
    "CONCURRENT_DOWNLOADS": ["0", "65", "many", "1.5", "-1", "\u0663"],
    "QUEUE_LIMIT": ["0", "1000001"],
    "DRAIN_SECONDS": ["-1", "3601", "25s"],
    "DOWNLOAD_PROXY": [
        *("proxy:8080", "ftp://proxy", "socks5://user:hunter22"),
        *("youtube=proxy:8080", "youtube=", "youtube=direct,youtube=direct", "YouTube=direct", "youtube=direct,"),
        *("youtube=socks5://user:hunter22,*=direct", "youtube=direct,socks5://h", "direct", "*"),
    ],
    "SITE_PACE": ["youtube", "youtube=12", "youtube=0/10", "youtube=12/0", "youtube=12/10,youtube=1/1", "YouTube=1/1"],
    "COOKIES_FILE": ["/nonexistent/cookies.txt", str(Path(__file__).parent)],
    "POT_PROVIDER": ["127.0.0.1:4416", "socks5://h", "http://h/?a=b"],
    "REQUIRE_WALL": ["maybe", "port"],
    "ALLOWED_PRIVATE": ["localhost", "10.0.0.0/40", "x:0"],
    "PROMETHEUS_URL": ["127.0.0.1:9091"],
    "ALERTMANAGER_URL": ["file:///etc"],
    "WATCHDOG_SECONDS": ["0", "86401"],
    "RUNBOOKS_URL": ["wiki", "ftp://wiki", "https://wiki/a?b", "https://wiki/a#b"],
    "STACK_PROMETHEUS": ["x"],
    "STACK_ALERTMANAGER": ["x"],
    "STACK_GRAFANA": ["x"],
    "SANDBOX_BIND": ["0.0.0.0:8082", "[::]:8082", "192.168.1.2:1", "example.org:80", "x"],
    "LOG_FORMAT": ["xml"],
    "LOG_LEVEL": ["loud"],
}


def test_a_proxy_by_site() -> None:
    """The list is kept as it was written, without blanks; each password in it is a secret, and so is each URL."""
    settings = read(DOWNLOAD_PROXY=" youtube = socks5://u:hunter22@a:1/ , *=http://v:hunter%2033@b ,vimeo=direct")
    assert settings.download_proxy == "youtube=socks5://u:hunter22@a:1,*=http://v:hunter%2033@b,vimeo=direct"
    told = {"hunter22", "hunter%2033", "hunter 33", "socks5://u:hunter22@a:1", "http://v:hunter%2033@b"}
    assert told <= set(settings.secrets())
    assert read(DOWNLOAD_PROXY="socks5h://u:p=q,r@h").download_proxy == "socks5h://u:p=q,r@h"


def test_every_option_has_bad_values() -> None:
    """No row of the table is left out of the test of faults."""
    assert [f"DORADURA_{name}" for name in BAD] == [option.name for option in OPTIONS]


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, found in BAD.items() for value in found])
def test_bad_value_is_a_fault_that_says_what_would_be_right(name: str, value: str) -> None:
    """A fault begins with the variable's name and says what to do, or what the value must be."""
    (fault,) = faults(**{name: value})
    assert fault.startswith(f"DORADURA_{name} ")
    assert re.search(r"; |must (be|have) ", fault)
    assert "\n" not in fault


@pytest.mark.parametrize("url", ["postgresql://u:hunter22@h/d", "postgres://u:hunter22@h/d"])
def test_postgresql_is_refused_with_a_sentence(url: str) -> None:
    """It is named as what is not supported yet, with what to write instead, and no word of the URL."""
    (fault,) = faults(DATABASE_URL=url)
    assert fault.startswith("DORADURA_DATABASE_URL is a PostgreSQL URL, which this version does not support")
    assert "sqlite:///name.db" in fault
    assert "hunter22" not in fault


def test_all_faults_come_at_once() -> None:
    """One error lists every fault, in the table's order."""
    error = SettingsError(faults(ADMIN_IDS="x", HTTP_BIND="x", LOG_LEVEL="x"))
    assert [fault.split()[0] for fault in error.faults] == [
        "DORADURA_ADMIN_IDS",
        "DORADURA_HTTP_BIND",
        "DORADURA_LOG_LEVEL",
    ]
    assert str(error).splitlines()[0] == "settings: 3 faults"
    assert len(str(error).splitlines()) == 4


def test_missing_token_is_a_fault_unless_not_needed() -> None:
    """A lost token stops the bot; a command that never talks to Telegram goes on without one."""
    with pytest.raises(SettingsError, match=r"DORADURA_TELEGRAM_TOKEN is not set.*--sandbox"):
        read_settings({"DORADURA_TELEGRAM_TOKEN": ""})
    assert read_settings({}, token_required=False).telegram_token == ""


def test_sandbox_brings_token_and_admin() -> None:
    """The sandbox needs no variable, uses its own token whatever is set, and has user 1000 as admin unless told."""
    settings = read_settings({"DORADURA_TELEGRAM_TOKEN": TOKEN}, sandbox=True)
    assert settings.mode == "sandbox"
    assert settings.telegram_token == "1000000001:SANDBOXAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    assert settings.admin_ids == frozenset({1000})
    assert read_settings({"DORADURA_ADMIN_IDS": "7"}, sandbox=True).admin_ids == frozenset({7})


def test_local_server_needs_an_address() -> None:
    """--local together with Telegram's own server is a fault: that one takes no file:// uploads."""
    (fault,) = faults(TELEGRAM_LOCAL="true")
    assert "DORADURA_TELEGRAM_API_URL" in fault


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_secret_from_a_file(tmp_path: Path, end: str) -> None:
    """NAME_FILE gives a secret, without the line break at the file's end."""
    file = tmp_path / "token"
    file.write_bytes(f"{TOKEN}{end}".encode())
    assert read_settings({"DORADURA_TELEGRAM_TOKEN_FILE": str(file)}).telegram_token == TOKEN


def test_every_secret_has_a_file_and_nothing_else_has(tmp_path: Path) -> None:
    """Each secret's _FILE is read (here: found missing); another option's _FILE is an unknown name."""
    for option in OPTIONS:
        name = f"{option.name.removeprefix('DORADURA_')}_FILE"
        if option.secret:
            environ = {f"DORADURA_{name}": str(tmp_path / "none")}
            with pytest.raises(SettingsError, match=f"DORADURA_{name}: .* can't be read"):
                read_settings(environ)
        else:
            assert read(**{name: "x"}).unknown[0].startswith(f"DORADURA_{name}")


def test_secret_twice_is_a_fault(tmp_path: Path) -> None:
    """A secret given as value and as file is a fault, because one of the two is forgotten."""
    (fault,) = faults(TELEGRAM_TOKEN_FILE=str(tmp_path / "x"))
    assert "both set" in fault
    assert TOKEN not in fault


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe"])
def test_empty_or_binary_secret_file_is_a_fault(tmp_path: Path, content: bytes) -> None:
    """A secret file with nothing in it, or no text, is a fault that names the file."""
    file = tmp_path / "webhook"
    file.write_bytes(content)
    (fault,) = faults(WEBHOOK_TOKEN_FILE=str(file))
    assert str(file) in fault


def test_empty_is_not_set() -> None:
    """Compose files pass empty strings for what nobody set."""
    assert read(HTTP_BIND="", ADMIN_IDS=" ", LOG_LEVEL="", METRICS_BASIC_AUTH="") == read()


def test_unknown_names_are_listed_with_the_nearest() -> None:
    """A typing error in a name is told, with what was probably meant."""
    assert read(ADMIN_ID="5", ZZZZZZZZZ="1", EMPTY_ONE="").unknown == (
        "DORADURA_ADMIN_ID (did you mean DORADURA_ADMIN_IDS?)",
        "DORADURA_ZZZZZZZZZ",
    )


def test_no_secret_in_repr_or_faults() -> None:
    """Neither repr, nor a fault, nor a fault of a variable a secret was put into by mistake, shows a secret."""
    secrets = {
        "METRICS_BASIC_AUTH": "user:hunter22",
        "WEBHOOK_TOKEN": "hook-hunter22",
        "DOWNLOAD_PROXY": "http://u:hunter22@h",
        "PROMETHEUS_URL": "http://u:hunter22@h",
        "ALERTMANAGER_URL": "http://u:hunter22@h",
    }
    settings = read(**secrets)
    assert "hunter22" not in repr(settings)
    assert TOKEN not in repr(settings)
    for option in OPTIONS:
        for value in (f"{TOKEN}\x01", "http://u:hunter22@h:port", "\x01socks5://u:hunter22@h"):
            try:
                read(**{option.name.removeprefix("DORADURA_"): value})
            except SettingsError as error:
                assert "hunter22" not in str(error)  # noqa: PT017 - not every option refuses it
                assert TOKEN not in str(error)  # noqa: PT017


def test_secrets_lists_what_logs_must_not_show() -> None:
    """secrets() has the secrets themselves and the passwords inside URLs, as written and decoded; no user, no host."""
    settings = read(
        METRICS_BASIC_AUTH="user:hunter22",
        ALERTMANAGER_URL="http://doradura:p%40ss@h/d",
        PROMETHEUS_URL="http://u:pass2@h",
    )
    assert set(settings.secrets()) == {
        *(TOKEN, "user:hunter22", "hunter22", "http://doradura:p%40ss@h/d", "p%40ss", "p@ss"),
        *("http://u:pass2@h", "pass2"),
    }
