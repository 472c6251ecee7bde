//! Mailboxes: homes and folders by UID, whatever keeps the octets.
