from __future__ import annotations

import pytest
from aiohttp import web

from bridge.carrier.webhook.answer import Failure, Reply
from tests.carrier.signalling_stage import Asked, twiml
from tests.carrier.webhook.test_fetch import asking


@pytest.mark.parametrize("challenge", ["Basic realm=x", 'Digest realm="x", nonce="abc", qop="auth"'])
async def test_logs_in_only_when_asked_to(challenge: str) -> None:
    async with asking() as (program, asker):

        async def guarded(asked: Asked) -> web.Response:
            if "Authorization" in asked.headers:
                return twiml("")
            return web.Response(status=401, headers={"WWW-Authenticate": challenge})

        program.answers["/voice"] = guarded
        reply = await asker.post(program.url.replace("//", "//us%40er:pa:ss@") + "/voice")
        assert isinstance(reply, Reply)
        before, after = program.asked["/voice"]
        assert "Authorization" not in before.headers
        given = after.headers["Authorization"]
        assert given == "Basic dXNAZXI6cGE6c3M=" or 'username="us@er"' in given
        assert before.signed()  # without what stands before the @
        assert after.signed()
        refused = await asker.post(f"{program.url}/voice")
        assert isinstance(refused, Failure)
        assert refused.code == 11200


async def test_wrong_credentials_are_not_tried_for_ever() -> None:
    async with asking() as (program, asker):
        refusal = web.Response(status=401, headers={"WWW-Authenticate": "Basic realm=x"})
        program.answers["/voice"] = refusal
        answer = await asker.post(program.url.replace("//", "//user:wrong@") + "/voice")
        assert isinstance(answer, Failure)
        assert answer.code == 11200
        assert "wrong" not in answer.url
        assert len(program.asked["/voice"]) == 2
