"""Sends texts with wechatpy's own API client, which is only told another address of the platform.

Standard input: {"api", "app_id", "secret", "access_token", "texts": [{"openid", "content"}]}; a null "access_token" lets the
client fetch one. Standard output: {"fetched", "tokens", "sent"}: the names of a token answer's fields, how many tokens the
client has used, and the errcode of each text.
"""

import json
import sys

from requests.adapters import HTTPAdapter
from wechatpy import WeChatClient
from wechatpy.exceptions import WeChatClientException

PLATFORM = "https://api.weixin.qq.com/"


class Elsewhere(HTTPAdapter):
    """wechatpy writes the address of the token call out in full: what is meant for the platform goes to `base`."""

    def __init__(self, base):
        self.base = base
        super().__init__()

    def send(self, request, **options):
        request.url = self.base + request.url.removeprefix(PLATFORM)
        return super().send(request, **options)


def send(client, text):
    try:
        return client.message.send_text(text["openid"], text["content"])["errcode"]
    except WeChatClientException as refused:
        return refused.errcode


order = json.load(sys.stdin)
client = WeChatClient(order["app_id"], order["secret"], access_token=order["access_token"], timeout=10)
client.API_BASE_URL = order["api"] + "/cgi-bin/"
client._http.mount(PLATFORM, Elsewhere(order["api"] + "/"))
tokens = {client.access_token}
fetched = sorted(client.fetch_access_token()) if order["access_token"] is None else []
sent = []
for text in order["texts"]:
    tokens.add(client.access_token)
    sent.append(send(client, text))
tokens.add(client.access_token)
json.dump({"fetched": fetched, "tokens": len(tokens), "sent": sent}, sys.stdout)
