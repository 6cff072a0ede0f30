"""Authentication and password change through Linux-PAM, as much as the management daemon needs."""

import ctypes
from ctypes import CFUNCTYPE, POINTER, Structure, byref, c_char_p, c_int, c_void_p, cast, sizeof

PAM = ctypes.CDLL("libpam.so.0")
LIBC = ctypes.CDLL("libc.so.6")
LIBC.calloc.restype = c_void_p
LIBC.strdup.restype = c_void_p
LIBC.strdup.argtypes = [c_char_p]
SUCCESS, NEW_AUTHTOK_REQD, CONV_ERR = 0, 12, 19
ECHO_OFF, ECHO_ON = 1, 2
RHOST = 4
EXPIRED_ONLY = 0x0020


class Message(Structure):
    _fields_ = (("style", c_int), ("text", c_char_p))


class Response(Structure):
    _fields_ = (("text", c_void_p), ("code", c_int))


CONVERSATION = CFUNCTYPE(c_int, c_int, POINTER(POINTER(Message)), POINTER(POINTER(Response)), c_void_p)


class Conversation(Structure):
    _fields_ = (("function", CONVERSATION), ("data", c_void_p))


class Handle:
    """One PAM transaction; prompts get `secrets` in their order, the last one for all that follow."""

    def __init__(self, service: str, user: str, secrets: list[str], source: str = "") -> None:
        self.said: list[str] = []
        left = list(secrets)

        def converse(count: int, messages, responses, data) -> int:  # type: ignore[no-untyped-def]
            memory = LIBC.calloc(count, sizeof(Response))
            array = cast(memory, POINTER(Response))
            for place in range(count):
                message = messages[place].contents
                if message.style in (ECHO_OFF, ECHO_ON):
                    secret = left.pop(0) if len(left) > 1 else left[0]
                    array[place].text = LIBC.strdup(secret.encode())
                else:
                    self.said.append((message.text or b"").decode(errors="replace"))
            responses[0] = array
            return SUCCESS

        self._function = CONVERSATION(converse)
        self._conversation = Conversation(self._function, None)
        self.handle = c_void_p()
        self._last = PAM.pam_start(
            service.encode(), user.encode(), byref(self._conversation), byref(self.handle)
        )
        if source:
            PAM.pam_set_item(self.handle, RHOST, c_char_p(source.encode()))

    def call(self, name: str, flags: int = 0) -> int:
        self._last = getattr(PAM, name)(self.handle, flags)
        return int(self._last)

    def end(self) -> None:
        PAM.pam_end(self.handle, self._last)


def authenticate(
    service: str, user: str, password: str, source: str, *, expired: bool = False
) -> tuple[bool, str]:
    """Whether the password is right and the account may log in; then "expired" or what PAM said."""
    handle = Handle(service, user, [password], source)
    try:
        if not password or handle.call("pam_authenticate") != SUCCESS:
            return False, ""
        account = handle.call("pam_acct_mgmt")
        if account == NEW_AUTHTOK_REQD and expired:
            return True, "expired"
        return account == SUCCESS, " ".join(handle.said)
    finally:
        handle.end()


def change(service: str, user: str, old: str, new: str) -> str:
    """Change a password under the rules of the service; "" when it is changed, else why not."""
    handle = Handle(service, user, [new, new])
    try:
        if handle.call("pam_chauthtok") == SUCCESS:
            return ""
        return " ".join(handle.said) or "the new password does not satisfy the policy"
    finally:
        handle.end()
