/* The user plane as far as it is here: echo requests of GTP-U are answered (TS 29.281 clause 7.2). */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PORT = 2152, ECHO_REQUEST = 1, ECHO_RESPONSE = 2, LARGEST = 2048 };

static int heard_at(int family, const struct sockaddr *address, socklen_t length)
{
    int wire = socket(family, SOCK_DGRAM, 0);
    if (wire < 0 || bind(wire, address, length) != 0) {
        perror("gtpud");
        _exit(1);
    }
    return wire;
}

static void answer(int wire)
{
    unsigned char request[LARGEST], response[14] = {0x32, ECHO_RESPONSE, 0, 6};
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    ssize_t size = recvfrom(wire, request, sizeof request, 0, (struct sockaddr *)&peer, &length);
    if (size < 12 || request[0] >> 4 != 3 || request[1] != ECHO_REQUEST)
        return;
    memcpy(response + 4, request + 4, 6); /* TEID and sequence number */
    response[12] = 14;                    /* recovery */
    sendto(wire, response, sizeof response, 0, (struct sockaddr *)&peer, length);
}

int main(void)
{
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(PORT)};
    inet_pton(AF_INET, "203.0.113.10", &four.sin_addr);
    inet_pton(AF_INET6, "2001:db8:0:3::10", &six.sin6_addr);
    struct pollfd wires[2] = {
        {.fd = heard_at(AF_INET, (struct sockaddr *)&four, sizeof four), .events = POLLIN},
        {.fd = heard_at(AF_INET6, (struct sockaddr *)&six, sizeof six), .events = POLLIN},
    };
    while (poll(wires, 2, -1) > 0)
        for (int i = 0; i < 2; i++)
            if (wires[i].revents & POLLIN)
                answer(wires[i].fd);
    return 1;
}
