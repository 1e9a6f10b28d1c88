"""Pushes documents to a gateway as WeChat would, with the envelope and the signatures of wechatpy.

Standard input: {"url", "token", "aes_key", "app_id", "openid", "mode", "documents": [{"sent", "clear"}]}; "clear" is what
compatible mode shows beside the envelope. Standard output: [{"status", "body"}], one for each document.
"""

import json
import sys
import time
from http.client import HTTPConnection
from urllib.parse import urlencode, urlsplit

import xmltodict
from wechatpy.crypto import WeChatCrypto
from wechatpy.utils import WeChatSigner, random_string


def signature(*parts):
    signer = WeChatSigner()
    signer.add_data(*parts)
    return signer.signature


def push(order, document):
    timestamp, nonce = str(int(time.time())), random_string(10)
    crypto = WeChatCrypto(order["token"], order["aes_key"], order["app_id"])
    envelope = crypto.encrypt_message(document["sent"], nonce, timestamp)
    sealed = xmltodict.parse(envelope)["xml"]
    query = {
        "signature": signature(order["token"], timestamp, nonce),
        "timestamp": timestamp,
        "nonce": nonce,
        "openid": order["openid"],
        "encrypt_type": "aes",
        "msg_signature": sealed["MsgSignature"],
    }
    body = envelope
    if order["mode"] == "compatible":
        encrypted = "<Encrypt><![CDATA[%s]]></Encrypt></xml>" % sealed["Encrypt"]
        body = document["clear"].removesuffix("</xml>") + encrypted
    return post(order["url"] + "?" + urlencode(query), body.encode("utf-8"))


def post(url, body):
    at = urlsplit(url)
    connection = HTTPConnection(at.hostname, at.port, timeout=10)
    connection.request("POST", at.path + "?" + at.query, body, {"Content-Type": "text/xml"})
    answer = connection.getresponse()
    return {"status": answer.status, "body": answer.read().decode("utf-8")}


order = json.load(sys.stdin)
json.dump([push(order, document) for document in order["documents"]], sys.stdout)
