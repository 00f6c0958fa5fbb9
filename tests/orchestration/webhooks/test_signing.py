"""Signatures are those of the Standard Webhooks specification."""

import base64
from datetime import UTC, datetime
from random import Random, SystemRandom

from orchestration.webhooks.signing import headers, new_secret

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
AT = datetime.fromtimestamp(1614265330.9, UTC)
BODY = '{"test": 2432232314}'


def test_the_signature_of_the_reference_message_is_the_one_of_the_reference() -> None:
    assert headers("msg_p5jXN8AQM9LWM0D4loKWxJek", AT, BODY, [SECRET]) == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_two_secrets_make_two_signatures() -> None:
    other = new_secret(Random(1))
    one, two = (headers("id", AT, BODY, [secret])["webhook-signature"] for secret in (SECRET, other))
    assert headers("id", AT, BODY, [SECRET, other])["webhook-signature"] == f"{one} {two}"
    assert one != two


def test_a_secret_has_as_many_bytes_as_the_specification_asks_for() -> None:
    secrets = {new_secret(SystemRandom()) for _ in range(3)}
    assert len(secrets) == 3
    assert {len(base64.b64decode(secret.removeprefix("whsec_"))) for secret in secrets} == {32}
