"""The raw-socket program of those faults that a kernel cannot be set to."""

RESPONDER = '''#!/usr/bin/python3
"""Answers what a kernel never answers, or never carries: address masks, node information, solicitations, VLAN, SCTP."""

import socket
import struct
import sys
import threading
import time

NAMES = ("oam0", "sig0", "usr0")
ETH_ALL = 3


def checksum(data: bytes) -> int:
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def frames(name: str) -> socket.socket:
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_ALL))
    while True:
        try:
            wire.bind((name, ETH_ALL))
            return wire
        except OSError:
            time.sleep(0.1)


def ip4(frame: bytes, proto: int, payload: bytes) -> bytes:
    """An answer to a frame, with its addresses turned round."""
    head = bytearray(struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0, 64, proto, 0, frame[30:34], frame[26:30]))
    head[10:12] = struct.pack("!H", checksum(bytes(head)))
    return frame[6:12] + frame[0:6] + b"\\x08\\x00" + bytes(head) + payload


def ip6(frame: bytes, wire: socket.socket, target: bytes, payload: bytes) -> bytes:
    mac = wire.getsockname()[4]
    eui = bytes([mac[0] ^ 2]) + mac[1:3] + b"\\xff\\xfe" + mac[3:]
    source = b"\\xfe\\x80" + bytes(6) + eui
    body = bytearray(payload)
    pseudo = source + target + struct.pack("!I3xB", len(body), 58)
    body[2:4] = struct.pack("!H", checksum(pseudo + bytes(body)))
    return frame[6:12] + mac + b"\\x86\\xdd" + struct.pack("!IHBB", 0x60000000, len(body), 58, 255) + source + target + bytes(body)


def address_mask(wire: socket.socket, frame: bytes) -> None:
    if frame[12:14] == b"\\x08\\x00" and frame[23] == 1 and frame[34] == 17:
        body = bytearray(b"\\x12\\0\\0\\0" + frame[38:42] + b"\\xff\\xff\\xff\\0")
        body[2:4] = struct.pack("!H", checksum(bytes(body)))
        wire.send(ip4(frame, 1, bytes(body)))


def node_info(wire: socket.socket, frame: bytes) -> None:
    if frame[12:14] == b"\\x86\\xdd" and frame[20] == 58 and frame[54] == 139:
        wire.send(ip6(frame, wire, frame[22:38], b"\\x8c\\0\\0\\0\\0\\2\\0\\0" + frame[62:70] + bytes(4) + b"\\2np\\0\\0"))


def router_advert(wire: socket.socket, frame: bytes) -> None:
    if frame[12:14] == b"\\x86\\xdd" and frame[20] == 58 and frame[54] == 133:
        wire.send(ip6(frame, wire, frame[22:38], b"\\x86\\0\\0\\0\\x40\\0\\0\\x1e" + bytes(8)))


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for octet in data:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def sctp(wire: socket.socket, frame: bytes) -> None:
    """INIT for port 36412 gets INIT ACK, as from a listener."""
    if frame[12:14] != b"\\x08\\x00" or frame[23] != 132 or frame[36:38] != struct.pack("!H", 36412) or frame[46] != 1:
        return
    ack = struct.pack("!BBHIIHHI", 2, 0, 28, 0x11223344, 65536, 10, 10, 1) + struct.pack("!HH4s", 7, 8, b"cook")
    body = bytearray(frame[36:38] + frame[34:36] + frame[50:54] + bytes(4) + ack)
    body[8:12] = struct.pack("<I", crc32c(bytes(body)))
    wire.send(ip4(frame, 132, bytes(body)))


def vlan_leak(wire: socket.socket, frame: bytes) -> None:
    """An echo request or a SYN in a frame that had a tag (the kernel took it off) is answered as if it had none."""
    if frame[12:14] == b"\\x08\\x00":
        bare = frame
        if bare[23] == 1 and bare[34] == 8:
            body = bytearray(b"\\0\\0\\0\\0" + bare[38:14 + struct.unpack("!H", bare[16:18])[0]])
            body[2:4] = struct.pack("!H", checksum(bytes(body)))
            wire.send(ip4(bare, 1, bytes(body)))
        elif bare[23] == 6 and bare[47] & 2 and not bare[47] & 16:
            ports, sequence = bare[36:38] + bare[34:36], struct.unpack("!I", bare[38:42])[0]
            body = bytearray(ports + struct.pack("!IIBBHHH", 1, sequence + 1 & 0xFFFFFFFF, 0x50, 0x12, 8192, 0, 0))
            body[16:18] = struct.pack("!H", checksum(bare[30:34] + bare[26:30] + struct.pack("!BBH", 0, 6, len(body)) + bytes(body)))
            wire.send(ip4(bare, 6, bytes(body)))


def lldp() -> None:
    """Says once a second who it is."""
    wires = [frames(name) for name in NAMES]
    while True:
        for wire in wires:
            mac = wire.getsockname()[4]
            wire.send(bytes.fromhex("0180c200000e") + mac + b"\\x88\\xcc" + b"\\x02\\x07\\x04" + mac + b"\\x04\\x03\\x07np" + b"\\x06\\x02\\0\\x78\\0\\0")
        time.sleep(1)


def multicast_route() -> None:
    """What a multicast routing daemon sets: groups of 233.252.0.0/24 heard at signalling leave at the user plane."""
    route = socket.socket(socket.AF_INET, socket.SOCK_RAW, 2)
    route.setsockopt(socket.IPPROTO_IP, 200, 1)  # MRT_INIT
    for number, name in enumerate(NAMES):
        route.setsockopt(socket.IPPROTO_IP, 202, struct.pack("=HBBIi4s", number, 8, 1, 0, socket.if_nametoindex(name), bytes(4)))
    while True:
        message = route.recv(2048)
        if message[9] == 0 and message[8] == 1:  # IGMPMSG_NOCACHE: no entry yet
            origin, group, inside = message[12:16], message[16:20], message[10]
            outside = bytearray(32)
            for number in range(len(NAMES)):
                outside[number] = 0 if number == inside else 1
            route.setsockopt(socket.IPPROTO_IP, 204, origin + group + struct.pack("=H", inside) + bytes(outside) + struct.pack("=2xIIIi", 0, 0, 0, 0))


HEARD = {"address-mask": address_mask, "node-info": node_info, "router-advert": router_advert, "sctp": sctp, "vlan-leak": vlan_leak}


def serve(name: str, answer) -> None:
    wire = frames(name)
    wire.setsockopt(263, 8, 1)  # PACKET_AUXDATA: whether there was a tag
    while True:
        frame, more, _, address = wire.recvmsg(4096, 256)
        tagged = any(struct.unpack_from("=I", data)[0] & 16 for _, kind, data in more if kind == 8)
        if tagged != (answer is vlan_leak):
            continue
        if address[2] != socket.PACKET_OUTGOING and len(frame) >= 42:
            answer(wire, frame + bytes(14))  # what looks for a longer header finds none


if sys.argv[1] == "lldp":
    lldp()
elif sys.argv[1] == "multicast-route":
    multicast_route()
else:
    for name in NAMES:
        threading.Thread(target=serve, args=(name, HEARD[sys.argv[1]]), daemon=True).start()
    threading.Event().wait()
'''
