"""What the processes of a deployment run: a worker of one stage, the keeper, the sender to webhooks."""

import logging
import os
import signal
import socket
import threading
from contextlib import closing

from celery.signals import setup_logging, worker_shutting_down

from orchestration.attendance import attending
from orchestration.celery_app import WORKER
from orchestration.gate import QueueGate
from orchestration.launcher import launching
from orchestration.outbound.browser_found import require_browser
from orchestration.settings import Settings
from orchestration.telemetry import configure_logging
from orchestration.wiring import Wiring
from pipeline.errors import NoSecretKey

log = logging.getLogger(__name__)


def run_worker(settings: Settings, queue: str, concurrency: int | None = None) -> None:
    """Serve one stage's queue until SIGTERM; then finish what is running and hand the rest back.

    Raises `UnknownStage` when no pipeline has a stage of that name, `NoBrowser` when it needs one that is not there.
    """
    configure_logging(settings.log_level, f"worker-{queue}")
    # Celery would replace the handlers configured above.
    setup_logging.connect(_keep_logging, weak=False)
    with closing(Wiring(settings, WORKER)) as wiring:
        stage = wiring.catalog.stage(queue)
        if stage is wiring.catalog.render:
            require_browser(settings)
        fitting = settings.cpu_concurrency if stage.pool == "cpu" else settings.io_concurrency
        concurrency = concurrency or fitting
        # Made here, before the pool's threads could race to make them.
        _ = wiring.services
        if stage.pool == "cpu":
            wiring.isolation.start()
        name = f"{queue}-{os.getpid()}@{socket.gethostname()}"
        worker = wiring.app.Worker(
            hostname=name,
            queues=[queue],
            pool="threads",
            concurrency=concurrency,
            loglevel=settings.log_level,
            quiet=True,
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
        )
        _hand_over_at_shutdown(wiring, settings.shutdown_grace_s)
        gate = QueueGate(wiring.gate, worker, queue)
        with attending(wiring.records, wiring.clock, gate, name, queue, concurrency=concurrency):
            worker.start()


def _hand_over_at_shutdown(wiring: Wiring, grace_s: float) -> None:
    """After the grace, or at a second signal, stop what is running and let others do it."""
    stopping = threading.Event()

    def on_signal(**_kwargs: object) -> None:
        delay_s = 0.0 if stopping.is_set() else grace_s
        stopping.set()
        timer = threading.Timer(delay_s, wiring.leases.interrupt)
        timer.daemon = True
        timer.start()

    worker_shutting_down.connect(on_signal, weak=False)


def run_keeper(settings: Settings) -> None:
    """Keep house until SIGTERM or SIGINT."""
    configure_logging(settings.log_level, "keeper")
    stop = _stopped_by_signal()
    with closing(Wiring(settings)) as wiring:
        thread = launching(wiring.launcher(), stop)
        wiring.keeper.run(stop)
        thread.join()


def run_webhooks(settings: Settings) -> None:
    """Send to webhooks until SIGTERM or SIGINT; then finish what is being sent."""
    configure_logging(settings.log_level, "webhooks")
    stop = _stopped_by_signal()
    with closing(Wiring(settings)) as wiring:
        try:
            dispatcher = wiring.dispatcher()
        except NoSecretKey as error:
            log.info("there are no webhooks: %s", error)
            stop.wait()
        else:
            dispatcher.run(stop)


def _stopped_by_signal() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _keep_logging(**_kwargs: object) -> None:
    return None
