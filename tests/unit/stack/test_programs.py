"""The command lines of the native stack."""

from __future__ import annotations

from pathlib import Path

from doradura.settings import Settings
from stack.facts import settings_of
from stack.programs import INSTALL, found, how_to_have, places

DIRECTORY = Path("/data/stack")


def settings(**given: str) -> Settings:
    """Read settings."""
    return settings_of({f"DORADURA_STACK_{name}": value for name, value in given.items()})


def test_prometheus_is_called_as_measured() -> None:
    """Prometheus listens where it is told, keeps 30 days, and names itself in links as a browser finds it."""
    (program,), missing = found(
        settings(PROMETHEUS="0.0.0.0:19091"), DIRECTORY, which={"prometheus": "/usr/bin/prometheus"}.get
    )
    assert program.command == (
        "/usr/bin/prometheus",
        "--config.file=/data/stack/prometheus/prometheus.yml",
        "--storage.tsdb.path=/data/stack/data/prometheus",
        "--storage.tsdb.retention.time=30d",
        "--web.listen-address=0.0.0.0:19091",
        "--web.external-url=http://127.0.0.1:19091",
        "--web.enable-lifecycle",
        "--enable-feature=exemplar-storage",
    )
    assert missing == ["alertmanager", "grafana"]
    assert set(INSTALL) == {"prometheus", "alertmanager", "grafana"}


def test_alertmanager_has_two_names() -> None:
    """Debian's name of the binary goes before upstream's; it opens no cluster port."""
    upstream = {"alertmanager": "/opt/alertmanager"}
    (program,), _ = found(settings(ALERTMANAGER="[::1]:9093"), DIRECTORY, which=upstream.get)
    assert program.command == (
        "/opt/alertmanager",
        "--config.file=/data/stack/alertmanager/alertmanager.yml",
        "--storage.path=/data/stack/data/alertmanager",
        "--web.listen-address=[::1]:9093",
        "--web.external-url=http://[::1]:9093",
        "--cluster.listen-address=",
    )
    both = {**upstream, "prometheus-alertmanager": "/usr/bin/prometheus-alertmanager"}
    (program,), _ = found(settings(), DIRECTORY, which=both.get)
    assert program.command[0] == "/usr/bin/prometheus-alertmanager"


def test_at_speed_alerts_are_sent_again_sooner() -> None:
    """An alert that fired before Prometheus knew its Alertmanager comes after the divided minute, not the whole one."""
    (program,), _ = found(settings(), DIRECTORY, speed=30, which={"prometheus": "p"}.get)
    assert program.command[-1] == "--rules.alert.resend-delay=2s"


def test_grafana_is_provisioned(tmp_path: Path) -> None:
    """Grafana finds the rendered files, shows them to whoever looks, changes nothing without the kept password."""
    home = tmp_path / "grafana-11"
    for path in (home / "bin" / "grafana", home / "conf" / "defaults.ini"):
        path.parent.mkdir(parents=True)
        path.touch()
    binaries = {"grafana": str(home / "bin" / "grafana")}
    (program,), _ = found(settings(GRAFANA="127.0.0.1:13000"), tmp_path / "stack", which=binaries.get)
    assert program.command == (str(home / "bin" / "grafana"), "server", "--homepath", str(home))
    given = program.environment
    assert (given["GF_SERVER_HTTP_ADDR"], given["GF_SERVER_HTTP_PORT"]) == ("127.0.0.1", "13000")
    assert given["GF_PATHS_PROVISIONING"] == str(tmp_path / "stack" / "grafana" / "provisioning")
    assert given["GF_SECURITY_ADMIN_PASSWORD"] == (tmp_path / "stack" / "grafana.password").read_text().strip()
    assert (given["GF_AUTH_ANONYMOUS_ENABLED"], given["GF_AUTH_ANONYMOUS_ORG_ROLE"]) == ("true", "Viewer")
    packaged = {"grafana-server": "/usr/sbin/grafana-server"}
    (program,), _ = found(settings(), tmp_path / "stack", which=packaged.get)
    assert program.command == ("/usr/sbin/grafana-server", "--homepath", "/usr/share/grafana")


def test_places_are_the_settings() -> None:
    """Each part answers where its setting says, any address read as this machine's."""
    found_places = places(settings(GRAFANA="0.0.0.0:13000"))
    assert {name: place.url for name, place in found_places.items()} == {
        "prometheus": "http://127.0.0.1:9091",
        "alertmanager": "http://127.0.0.1:9093",
        "grafana": "http://127.0.0.1:13000",
    }
    for name, place in found_places.items():
        assert place.setting == f"DORADURA_STACK_{name.upper()}"


def test_what_one_command_installs_is_one_line() -> None:
    """Nobody types three commands for one; what Debian lacks is said apart."""
    assert how_to_have(["prometheus", "alertmanager", "grafana"]) == [
        (
            "Prometheus and Alertmanager are not installed; the stack runs without them. "
            "To install them: apt-get install -y --no-install-recommends prometheus prometheus-alertmanager"
        ),
        f"Grafana is not installed; the stack runs without it. To install it: {INSTALL['grafana']}",
    ]
    assert how_to_have(["alertmanager"]) == [
        (
            "Alertmanager is not installed; the stack runs without it. "
            "To install it: apt-get install -y --no-install-recommends prometheus-alertmanager"
        )
    ]
    assert how_to_have([]) == []
