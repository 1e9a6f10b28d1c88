"""Asks a gateway to prove that it knows the token, as the platform does when an address is saved.

Standard input: {"url", "tokens", "echostr"}. Standard output: [{"status", "body"}], one for each token that signed.
"""

import json
import sys
import time

import requests
from wechatpy.utils import WeChatSigner, check_signature, random_string


def verify(order, token):
    timestamp, nonce = str(int(time.time())), random_string(10)
    signer = WeChatSigner()
    signer.add_data(token, timestamp, nonce)
    check_signature(token, signer.signature, timestamp, nonce)
    query = {"signature": signer.signature, "timestamp": timestamp, "nonce": nonce, "echostr": order["echostr"]}
    answer = requests.get(order["url"], params=query, timeout=10)
    return {"status": answer.status_code, "body": answer.text}


order = json.load(sys.stdin)
json.dump([verify(order, token) for token in order["tokens"]], sys.stdout)
