<?php
/**
 * Delete the one setting when the plugin is deleted.
 *
 * @package Undersign
 */

defined( 'WP_UNINSTALL_PLUGIN' ) || exit;

delete_option( 'undersign_server' );
