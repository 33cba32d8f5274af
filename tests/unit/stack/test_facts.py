"""What differs from one installation to the next."""

from __future__ import annotations

from pathlib import Path

import pytest

from doradura.settings import SANDBOX_TOKEN
from stack.facts import Asked, Facts, StackError, facts_of, kept_secret, settings_of

TOKEN = "123456:" + "T" * 30


def facts(tmp_path: Path, asked: Asked | None = None, **environ: str) -> Facts:
    """Find the facts of an environment."""
    given = {f"DORADURA_{name}": value for name, value in environ.items()}
    settings = settings_of({"DORADURA_DATA_DIR": str(tmp_path / "data"), **given})
    return facts_of(settings, asked or Asked(), tmp_path / "data" / "stack")


@pytest.mark.parametrize(
    ("bind", "target"),
    [
        ("0.0.0.0:9090", "127.0.0.1:9090"),
        ("[::]:9100", "[::1]:9100"),
        ("10.1.2.3:80", "10.1.2.3:80"),
        ("localhost:9090", "localhost:9090"),
    ],
)
def test_the_bot_is_where_it_listens(tmp_path: Path, bind: str, target: str) -> None:
    """Scrapes and alerts go to DORADURA_HTTP_BIND, from this machine."""
    found = facts(tmp_path, HTTP_BIND=bind)
    assert (found.targets, found.webhook_url) == ((target,), f"http://{target}/alerts")


def test_containers_see_other_addresses(tmp_path: Path) -> None:
    """In containers the machine and the other parts have names of their own."""
    found = facts(tmp_path, Asked(engine=True), HTTP_BIND="0.0.0.0:9100")
    assert found.targets == ("host.docker.internal:9100",)
    assert (found.prometheus, found.alertmanager) == ("prometheus:9090", "alertmanager:9093")
    assert found.telegram_api_url == "http://host.docker.internal:8082"
    beside = facts(tmp_path, Asked(engine=True, with_bot=True), TELEGRAM_TOKEN=TOKEN)
    assert (beside.targets, beside.webhook_url) == (("doradura-bot:9090",), "http://doradura-bot:9090/alerts")


def test_what_is_asked_for_goes_first(tmp_path: Path) -> None:
    """Targets and receiver can be named on the command line."""
    found = facts(tmp_path, Asked(targets=("a:1", "b:2")), HTTP_BIND="127.0.0.1:0")
    assert (found.targets, found.webhook_url) == (("a:1", "b:2"), "http://a:1/alerts")
    assert facts(tmp_path, Asked(webhook_url="http://c/")).webhook_url == "http://c/"


def test_runbooks_are_the_bots_own_unless_named(tmp_path: Path) -> None:
    """Links lead to the first bot as Prometheus reaches it, or to where the setting says."""
    assert facts(tmp_path, HTTP_BIND="0.0.0.0:9100").runbooks_url == "http://127.0.0.1:9100/runbooks"
    assert facts(tmp_path, Asked(targets=("a:1", "b:2"))).runbooks_url == "http://a:1/runbooks"
    assert facts(tmp_path, RUNBOOKS_URL="https://wiki.doradura.dev/r/").runbooks_url == "https://wiki.doradura.dev/r"


def test_a_port_nobody_knows_is_refused(tmp_path: Path) -> None:
    """A bot on any free port can't be scraped without being named."""
    with pytest.raises(StackError, match="DORADURA_HTTP_BIND has port 0"):
        facts(tmp_path, HTTP_BIND="127.0.0.1:0")


def test_without_a_token_the_sandbox_is_told(tmp_path: Path) -> None:
    """As with `just run`: no token, and the sandbox is Telegram, its admin the admin."""
    found = facts(tmp_path, SANDBOX_BIND="127.0.0.1:8099")
    assert (found.telegram_token, found.admin_ids) == (SANDBOX_TOKEN, (1000,))
    assert found.telegram_api_url == "http://127.0.0.1:8099"


def test_with_a_token_telegram_is_told(tmp_path: Path) -> None:
    """With a token it is that bot's API server, and the admins that are set, none if none."""
    found = facts(tmp_path, TELEGRAM_TOKEN=TOKEN, TELEGRAM_API_URL="http://127.0.0.1:8081", ADMIN_IDS="7,5")
    assert (found.telegram_token, found.telegram_api_url, found.admin_ids) == (TOKEN, "http://127.0.0.1:8081", (5, 7))
    assert facts(tmp_path, TELEGRAM_TOKEN=TOKEN).admin_ids == ()


def test_an_image_without_a_sandbox_wants_a_token(tmp_path: Path) -> None:
    """The bot's container is never started as a toy."""
    with pytest.raises(StackError, match="DORADURA_TELEGRAM_TOKEN"):
        facts(tmp_path, Asked(engine=True, with_bot=True))


def test_the_webhook_token_is_the_bots(tmp_path: Path) -> None:
    """The setting's, else the file's, else a new one that the file then keeps, closed to others."""
    assert facts(tmp_path, WEBHOOK_TOKEN="abc").webhook_token == "abc"
    kept = tmp_path / "data" / "webhook.token"
    assert not kept.exists()
    made = facts(tmp_path).webhook_token
    assert len(made) >= 32
    assert kept.read_text().strip() == made
    assert kept.stat().st_mode & 0o777 == 0o600
    assert facts(tmp_path).webhook_token == made
    kept.write_text("theirs\n")
    assert facts(tmp_path).webhook_token == "theirs"
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["webhook.token"]


def test_a_secret_that_can_not_be_read_is_said(tmp_path: Path) -> None:
    """A secret's file that is none is a sentence that names it; an empty one, cut off by a full disk, is made anew."""
    (tmp_path / "empty").touch()
    assert len(kept_secret(tmp_path / "empty")) >= 32
    (tmp_path / "directory").mkdir()
    with pytest.raises(StackError, match="directory can't be read or made"):
        kept_secret(tmp_path / "directory")
